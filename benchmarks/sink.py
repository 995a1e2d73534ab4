"""An OTLP/HTTP and Datadog receiver that answers at once and counts what it was sent: nobody is fast by dropping.

It serves a port for each sender. `GET /` returns the counts since the last time as JSON. Counting is done when asked
for, not while the load runs.

    python -m benchmarks.sink PORT...
"""

import contextlib
import gzip
import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
"""OTLP's kinds of spans, by number."""
SPANS, LOGS = "spans", "logs"
HTTP_SERVER, HTTP_CLIENT = "http.server.request.duration", "http.client.request.duration"
RPC_SERVER, RPC_CLIENT = "rpc.server.call.duration", "rpc.client.call.duration"
PROCESS, DATABASE = "messaging.process.duration", "db.client.operation.duration"
DURATIONS = {name: name for name in (HTTP_SERVER, HTTP_CLIENT, RPC_SERVER, RPC_CLIENT, PROCESS, DATABASE)}
"""Names of what holds one observation per operation, and under which of them it is counted."""
DURATIONS |= {"http.server.duration": HTTP_SERVER, "http.client.duration": HTTP_CLIENT}
"""Names before today's convention, which contrib still uses in places."""
DURATIONS |= {"rpc.server.duration": RPC_SERVER}


class Bodies:
    """What was sent since the last count, by path."""

    def __init__(self) -> None:
        self._received: list[tuple[str, bytes]] = []
        self.add = self._received.append

    def _messages(self, path: str, kind: Any) -> Iterator[Any]:
        for sent_to, body in self._received:
            if sent_to == path:
                yield kind.FromString(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)

    def counts(self) -> Counter[str]:
        """Count spans by kind and together, log records, and the observations in the last report of each series."""
        counts = Counter(self._kinds())
        counts[SPANS] = counts.total()
        counts[LOGS] = sum(
            len(scope.log_records)
            for message in self._messages("/v1/logs", ExportLogsServiceRequest)
            for resource in message.resource_logs
            for scope in resource.scope_logs
        )
        return counts + self._observations()

    def _kinds(self) -> Iterator[str]:
        for message in self._messages("/v1/traces", ExportTraceServiceRequest):
            for resource in message.resource_spans:
                for scope in resource.scope_spans:
                    yield from (KINDS[span.kind] for span in scope.spans)
        for sent_to, body in self._received:
            if sent_to == "/v0.4/traces":
                yield from (span.get("meta", {}).get("span.kind", "internal").upper() for span in _datadog(body))

    def _observations(self) -> Counter[str]:
        latest: dict[tuple[str, bytes], int] = {}
        for message in self._messages("/v1/metrics", ExportMetricsServiceRequest):
            for resource in message.resource_metrics:
                for metric in (each for scope in resource.scope_metrics for each in scope.metrics):
                    points = metric.histogram.data_points if metric.name in DURATIONS else ()
                    for point in points:
                        attributes = b"".join(sorted(each.SerializeToString() for each in point.attributes))
                        latest[DURATIONS[metric.name], attributes] = point.count
        counts = Counter[str]()
        for (name, _), count in latest.items():
            counts[name] += count
        return counts

    def clear(self) -> None:
        """Forget what was counted."""
        self._received.clear()

    def take(self) -> list[tuple[str, bytes]]:
        """Return path and body of all that came since the last time."""
        taken = self._received[:]
        del self._received[: len(taken)]
        return taken


def _datadog(body: bytes) -> list[dict[str, Any]]:
    import msgpack  # noqa: PLC0415 only where ddtrace is

    return [span for trace in msgpack.unpackb(body, strict_map_key=False) for span in trace]


class Server(ThreadingHTTPServer):
    """A port, and what came to it."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.bodies = Bodies()


class Handler(BaseHTTPRequestHandler):
    """Keeps bodies until they are counted."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        """Take a body."""
        if self.headers.get("transfer-encoding") == "chunked":
            body = b"".join(iter(self._chunk, b""))
        else:
            body = self.rfile.read(int(self.headers["content-length"]))
        self.server.bodies.add((self.path, body))
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
        counts = self.server.bodies.counts()
        self.server.bodies.clear()
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
    first, *others = (Server(int(port)) for port in sys.argv[1:])
    for each in others:
        threading.Thread(target=each.serve_forever, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        first.serve_forever()
