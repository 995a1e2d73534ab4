"""An OTLP/HTTP receiver that answers at once and counts what it was sent, so that nobody is fast by dropping.

`GET /` returns the counts of spans and log records as JSON. Counting is done when asked for, not while the load runs.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Handler(BaseHTTPRequestHandler):
    """Keeps bodies until they are counted."""

    protocol_version = "HTTP/1.1"
    bodies: dict[str, list[bytes]] = {"/v1/traces": [], "/v1/logs": [], "/v1/metrics": []}  # noqa: RUF012

    def do_POST(self) -> None:
        """Take a body."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.bodies[self.path].append(body)
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        """Count what came since the last time, and forget it."""
        spans = logs = 0
        for body in self.bodies["/v1/traces"]:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                spans += sum(len(scope.spans) for scope in resource.scope_spans)
        for body in self.bodies["/v1/logs"]:
            for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
                logs += sum(len(scope.log_records) for scope in resource.scope_logs)
        for bodies in self.bodies.values():
            bodies.clear()
        answer = json.dumps({"spans": spans, "logs": logs}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_args: object) -> None:
        """Print nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
