"""What services send for an order: records and bytes of each signal, counted where they arrive."""

import threading
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from shop.ports import LOOPBACK, free_ports

from benchmarks.sink import Server

SPANS, LOGS, POINTS = "spans", "log records", "metric points"


@dataclass(frozen=True, slots=True)
class Sent:
    """What came in a window.

    Attributes:
        records: How many.
        bytes: Of the bodies, as sent.
        gzip_bytes: Of the bodies if each were compressed by itself, as OTLP's `gzip` does.
    """

    records: float = 0
    bytes: float = 0
    gzip_bytes: float = 0

    def less(self, other: "Sent", share: float) -> "Sent":
        """Return this without a share of another."""
        return Sent(
            self.records - other.records * share,
            self.bytes - other.bytes * share,
            self.gzip_bytes - other.gzip_bytes * share,
        )

    def each(self, count: float) -> "Sent":
        """Return one of `count` equal parts."""
        return Sent(self.records / count, self.bytes / count, self.gzip_bytes / count)


def _spans(body: bytes) -> int:
    message = ExportTraceServiceRequest.FromString(body)
    return sum(len(scope.spans) for resource in message.resource_spans for scope in resource.scope_spans)


def _log_records(body: bytes) -> int:
    message = ExportLogsServiceRequest.FromString(body)
    return sum(len(scope.log_records) for resource in message.resource_logs for scope in resource.scope_logs)


def _points(body: bytes) -> int:
    message = ExportMetricsServiceRequest.FromString(body)
    metrics = [m for resource in message.resource_metrics for scope in resource.scope_metrics for m in scope.metrics]
    return sum(len(getattr(metric, str(metric.WhichOneof("data"))).data_points) for metric in metrics)


_COUNTED = {"/v1/traces": (SPANS, _spans), "/v1/logs": (LOGS, _log_records), "/v1/metrics": (POINTS, _points)}


def add_up(received: list[tuple[str, bytes]]) -> Mapping[str, Sent]:
    """Add up bodies by signal."""
    found = {name: [0, 0, 0] for name, _ in _COUNTED.values()}
    for path, body in received:
        name, count = _COUNTED[path]
        found[name][0] += count(body)
        found[name][1] += len(body)
        found[name][2] += len(zlib.compress(body, 6))
    return {name: Sent(*numbers) for name, numbers in found.items()}


def by_library(received: list[tuple[str, bytes]]) -> Counter[str]:
    """Count spans by the library that they tell of: the scope's name."""
    found = Counter[str]()
    for path, body in received:
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    found[scope.scope.name] += len(scope.spans)
    return found


@contextmanager
def receiver() -> Iterator[tuple[str, Any]]:
    """Serve OTLP over HTTP; give the URL, and what keeps the bodies."""
    (port,) = free_ports(1)
    server = Server(port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{LOOPBACK}:{port}", server.bodies
    finally:
        server.shutdown()
        server.server_close()
