"""An OTLP/HTTP and Datadog receiver that answers at once and counts what it was sent: nobody is fast by dropping.

`GET /` returns the counts since the last time as JSON. Counting is done when asked for, not while the load runs.
"""

import contextlib
import gzip
import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgpack
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SERVER = 2
"""OTLP's number of the kind of span that a served request is."""
DURATIONS = ("http.server.request.duration", "http.server.duration")
"""What holds one observation per request: the convention's name, and the one before it that contrib still uses."""


class Bodies:
    """What was sent since the last count, by path."""

    def __init__(self) -> None:
        self._received: list[tuple[str, bytes]] = []
        self.add = self._received.append

    def _messages(self, path: str, kind: Any) -> Iterator[Any]:
        for sent_to, body in self._received:
            if sent_to == path:
                yield kind.FromString(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)

    def counts(self) -> dict[str, int]:
        """Count spans, those of kind SERVER, log records, and requests in the last report of each duration series."""
        spans = [
            span
            for message in self._messages("/v1/traces", ExportTraceServiceRequest)
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        logs = sum(
            len(scope.log_records)
            for message in self._messages("/v1/logs", ExportLogsServiceRequest)
            for resource in message.resource_logs
            for scope in resource.scope_logs
        )
        datadog = [span for sent_to, body in self._received if sent_to == "/v0.4/traces" for span in _datadog(body)]
        server = sum(span.kind == SERVER for span in spans) + sum(
            span["meta"].get("span.kind") == "server" for span in datadog if "meta" in span
        )
        return {
            "spans": len(spans) + len(datadog),
            "server_spans": server,
            "logs": logs,
            "observations": self._observations(),
        }

    def _observations(self) -> int:
        latest: dict[tuple[str, bytes], int] = {}
        for message in self._messages("/v1/metrics", ExportMetricsServiceRequest):
            for resource in message.resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        points = [] if metric.name not in DURATIONS else metric.histogram.data_points
                        for point in points:
                            attributes = b"".join(sorted(each.SerializeToString() for each in point.attributes))
                            latest[metric.name, attributes] = point.count
        return sum(latest.values())

    def clear(self) -> None:
        """Forget what was counted."""
        self._received.clear()


def _datadog(body: bytes) -> list[dict[str, Any]]:
    return [span for trace in msgpack.unpackb(body, strict_map_key=False) for span in trace]


class Handler(BaseHTTPRequestHandler):
    """Keeps bodies until they are counted."""

    protocol_version = "HTTP/1.1"
    bodies = Bodies()

    def do_POST(self) -> None:
        """Take a body."""
        if self.headers.get("transfer-encoding") == "chunked":
            body = b"".join(iter(self._chunk, b""))
        else:
            body = self.rfile.read(int(self.headers["content-length"]))
        self.bodies.add((self.path, body))
        datadog = self.path.startswith("/v0")
        self._answer(b'{"rate_by_service":{}}' if datadog else b"", "application/x-protobuf")

    do_PUT = do_POST  # noqa: N815 http.server looks for this name

    def _chunk(self) -> bytes:
        chunk = self.rfile.read(int(self.rfile.readline(), 16))
        self.rfile.readline()
        return chunk

    def do_GET(self) -> None:
        """Count what came since the last time, and forget it; tell a Datadog tracer what it may send."""
        if self.path == "/info":
            self._answer(b'{"endpoints":["/v0.4/traces"],"client_drop_p0s":false}', "application/json")
            return
        counts = self.bodies.counts()
        self.bodies.clear()
        self._answer(json.dumps(counts).encode(), "application/json")

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Print nothing."""


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
