"""A receiver that speaks OTLP/HTTP and does as the test says."""

import gzip
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class Receiver:
    """Answers with `answers` in turn, then with 200: (status, headers, body), or a callable on the handler."""

    def __init__(self):
        self.answers = []
        self.requests = []  # (path, headers, ExportTraceServiceRequest)
        self.connections = 0
        self.max_records = None
        self.frozen = threading.Event()
        self.thaw = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                receiver.connections += 1
                super().setup()

            def do_POST(self):
                receiver.answer(self)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_):
                pass  # a client that went away

        self._make = lambda port: Server(("127.0.0.1", port), Handler)
        self.server = self._make(0)
        self.port = self.server.server_port
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        self.server = self.server or self._make(self.port)
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self):
        if self.server:
            self.server.shutdown()
            self._thread.join()
            self.server.server_close()
            self.server = None

    def answer(self, handler):
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        if handler.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        request = ExportTraceServiceRequest.FromString(body)
        self.requests.append((handler.path, handler.headers, request))
        status, headers, out = 200, {}, b""
        if self.answers:
            scripted = self.answers.pop(0)
            if callable(scripted):
                scripted(handler)
                return
            status, headers, out = scripted
        elif self.max_records and len(names(request)) > self.max_records:
            status = 413
        self.reply(handler, status, headers, out)

    @staticmethod
    def reply(handler, status, headers, out):
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(out))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(out)

    def freeze(self, handler):
        """Answer nothing until thawed."""
        handler.close_connection = True
        self.frozen.set()
        self.thaw.wait(30)

    def drip(self, handler):
        """Send a header line for ever, one byte at a time."""
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not self.thaw.wait(0.05):
            handler.wfile.write(b"x")

    @staticmethod
    def hang_up(handler):
        handler.close_connection = True

    @staticmethod
    def partly(rejected, message="no"):
        success = ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
        return ExportTraceServiceResponse(partial_success=success).SerializeToString()

    def names(self):
        return [name for _, _, request in self.requests for name in names(request)]

    def wait_for(self, condition, seconds=10):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "not within the time"
            time.sleep(0.005)


def names(request):
    return [span.name for rs in request.resource_spans for ss in rs.scope_spans for span in ss.spans]


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.thaw.set()
    receiver.stop()
