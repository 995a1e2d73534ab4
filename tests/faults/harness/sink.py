"""An OTLP/HTTP receiver that answers as told, and keeps the id of every record it took in a file that outlives it.

As a program: `python -m harness.sink PORT JOURNAL`.
"""

import gzip
import json
import signal
import sys
import time
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar, NamedTuple

from free_ports import find_free_port
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from harness.process import Program

REQUESTS_DURATION = "http.server.request.duration"
PARTIAL = b"\x0a\x02\x08"
"""Head of a response whose partial success has that many rejected records, below 128."""


class Taken(NamedTuple):
    """A request that the receiver was sent.

    Attributes:
        at: Time of arrival, of the monotonic clock that all processes share.
        signal: `traces`, `logs` or `metrics`.
        status: What it was answered.
        pid: Of the sender, as its resource has it.
        ids: Of the records taken: span ids, log sequences, or the names of metrics.
        traces: Trace ids of the spans, in the order of `ids`.
        requests: For metrics: observations of the request duration, over all series.
        refused: How many records it did not take.
        shortest_ns: Duration of the shortest span; 0 of none.
    """

    at: float
    signal: str
    status: int
    pid: int
    ids: list
    traces: list
    requests: int
    refused: int
    shortest_ns: int


def traces_in(body):
    """Return sender, span ids, trace ids and the shortest duration of a request."""
    message = ExportTraceServiceRequest.FromString(body)
    spans = [span for each in message.resource_spans for scope in each.scope_spans for span in scope.spans]
    ids, traces = [span.span_id.hex() for span in spans], [span.trace_id.hex() for span in spans]
    shortest = min((span.end_time_unix_nano - span.start_time_unix_nano for span in spans), default=0)
    return _pid(message.resource_spans), ids, traces, 0, shortest


def logs_in(body):
    """Return sender and record ids of a request: the sequence a record carries, else that of its span."""
    message = ExportLogsServiceRequest.FromString(body)
    records = [record for each in message.resource_logs for scope in each.scope_logs for record in scope.log_records]
    return _pid(message.resource_logs), [_log_id(record) for record in records], [], 0, 0


def metrics_in(body):
    """Return sender, one name per point, and the observed requests of a request."""
    message = ExportMetricsServiceRequest.FromString(body)
    metrics = [metric for each in message.resource_metrics for scope in each.scope_metrics for metric in scope.metrics]
    names, requests = [], 0
    for metric in metrics:
        points = getattr(metric, metric.WhichOneof("data")).data_points
        names += [metric.name] * len(points)
        requests += sum(point.count for point in points) if metric.name == REQUESTS_DURATION else 0
    return _pid(message.resource_metrics), names, [], requests, 0


def _pid(resources):
    attributes = {item.key: item.value for each in resources for item in each.resource.attributes}
    return attributes["process.pid"].int_value if "process.pid" in attributes else 0


def _log_id(record):
    for item in record.attributes:
        if item.key == "sequence":
            return item.value.int_value
    return f"{record.span_id.hex()} {record.time_unix_nano} {record.body.string_value}"


SIGNALS = {"/v1/traces": traces_in, "/v1/logs": logs_in, "/v1/metrics": metrics_in}


class Handler(BaseHTTPRequestHandler):
    """Answers as told, and writes down what it took before it answers."""

    protocol_version = "HTTP/1.1"
    journal = None
    told: ClassVar = {}

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/answer":
            type(self).told = json.loads(body)
            self._answer(200, {}, b"")
            return
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        told = self.told
        pid, ids, traces, requests, shortest = SIGNALS[self.path](body)
        status = told.get("status", 200)
        if "max_records" in told and len(ids) > told["max_records"]:
            status = 413
        rejected = min(told.get("rejected", 0), len(ids))
        refused = len(ids) if status != 200 else rejected
        taken, traces = ids[refused:], traces[refused:]
        entry = Taken(time.monotonic(), self.path[4:], status, pid, taken, traces, requests, refused, shortest)
        self.journal.write(json.dumps(entry).encode() + b"\n")
        answer = PARTIAL + bytes([rejected]) if rejected else told.get("body", "").encode("latin-1")
        self._answer(status, told.get("headers", {}), answer)

    def _answer(self, status, headers, body):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Say nothing of senders that went away."""


class Sink:
    """The receiver as a process of its own.

    Attributes:
        port: Which it keeps over restarts.
    """

    def __init__(self, directory):
        self.port = find_free_port()
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._journal = directory / "journal"
        self._journal.touch()
        self._program = None
        self._taken = []
        self._read_bytes = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        """Start, or start again after `kill`, answering well."""
        self._program = Program("-m", "harness.sink", self.port, self._journal, directory=self._directory)
        self._program.serves(self.port)
        return self

    def kill(self):
        """End it as `kill -9` does; what it took stays counted."""
        self._program.kill()

    def freeze(self):
        """Stop it: connections are still accepted by the system, and nothing is read or answered."""
        self._program.signal(signal.SIGSTOP)

    def thaw(self):
        """Let it go on."""
        self._program.signal(signal.SIGCONT)

    def answer(self, **told):
        """Answer from now on with `status`, `headers`, `body`; 413 beyond `max_records`; or take all but `rejected`."""
        request = urllib.request.Request(f"{self.url}/answer", json.dumps(told).encode(), method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    def close(self):
        """End it."""
        if self._program is not None:
            self._program.close()

    def taken(self, signal_name=None):
        """Return what it was sent so far, of one signal or all."""
        with self._journal.open("rb") as journal:
            journal.seek(self._read_bytes)
            *lines, _torn = journal.read().split(b"\n")
        self._read_bytes += sum(len(line) + 1 for line in lines)
        self._taken += [Taken(*json.loads(line)) for line in lines]
        return [each for each in self._taken if signal_name in (None, each.signal)]

    def ids(self, signal_name):
        """Count how often each record was taken."""
        return Counter(each for taken in self.taken(signal_name) for each in taken.ids)


if __name__ == "__main__":
    Handler.journal = Path(sys.argv[2]).open("ab", buffering=0)  # noqa: SIM115 for as long as the process lives
    _Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
