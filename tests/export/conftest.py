"""Receivers that speak OTLP/HTTP and OTLP/gRPC and do as the test says."""

import gzip
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from instrumentation.signals.metric import MetricStore

OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
TRACE, SPAN = bytes(range(16)), bytes(range(8))


class Receiver:
    """Answers with `answers` in turn, then with 200: (status, headers, body), or a callable on the handler."""

    def __init__(self, tls=None):
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

            def get_request(self):
                accepted, address = super().get_request()
                return (tls.wrap_socket(accepted, server_side=True) if tls else accepted), address

            def handle_error(self, *_):
                pass  # a client that went away

        self._scheme = "https" if tls else "http"
        self._make = lambda port: Server(("127.0.0.1", port), Handler)
        self.server = self._make(0)
        self.port = self.server.server_port
        self.start()

    @property
    def url(self):
        return f"{self._scheme}://127.0.0.1:{self.port}"

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


SERVICES = {
    "opentelemetry.proto.collector.trace.v1.TraceService": ExportTraceServiceRequest,
    "opentelemetry.proto.collector.logs.v1.LogsService": ExportLogsServiceRequest,
    "opentelemetry.proto.collector.metrics.v1.MetricsService": ExportMetricsServiceRequest,
}


class GrpcReceiver:
    """Answers OTLP/gRPC with `answers` in turn, then with OK: callables on the call's context, which give the bytes.

    Args:
        credentials: Of the server; None: no TLS.
    """

    def __init__(self, credentials=None):
        self.answers = []
        self.requests = []  # (metadata, decoded request)
        self.peers = set()
        self.frozen = threading.Event()
        self.thaw = threading.Event()
        self._credentials = credentials
        self._server = None
        self.port = 0
        self.start()

    @property
    def url(self):
        return f"{'https' if self._credentials else 'http'}://127.0.0.1:{self.port}"

    def start(self):
        self._server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        for service, request in SERVICES.items():
            handler = grpc.unary_unary_rpc_method_handler(partial(self._answer, request))
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": handler}),))
        address = f"127.0.0.1:{self.port}"
        if self._credentials:
            self.port = self._server.add_secure_port(address, self._credentials)
        else:
            self.port = self._server.add_insecure_port(address)
        self._server.start()

    def stop(self):
        if self._server:
            self._server.stop(None).wait()
            self._server = None

    def _answer(self, request, body, context):
        self.requests.append((dict(context.invocation_metadata()), request.FromString(body)))
        self.peers.add(context.peer())
        return self.answers.pop(0)(context) if self.answers else b""

    def freeze(self, context):
        """Answer nothing until thawed."""
        self.frozen.set()
        self.thaw.wait(30)
        return b""

    def names(self):
        traces = [request for _, request in self.requests if isinstance(request, ExportTraceServiceRequest)]
        return [name for request in traces for name in names(request)]


def names(request):
    return [span.name for rs in request.resource_spans for ss in rs.scope_spans for span in ss.spans]


@pytest.fixture
def store():
    """A metric store with one counter."""
    store = MetricStore()
    store.counter("ours", description="Ours.").cell({"a": "b"}).add(3, TRACE, SPAN)
    return store


@pytest.fixture
def make_receiver():
    """Make receivers: of HTTP with the server's SSL context, of gRPC with the server's credentials."""
    made = []

    def make(kind, *tls):
        made.append(kind(*tls))
        return made[-1]

    yield make
    for each in made:
        each.thaw.set()
        each.stop()


@pytest.fixture
def grpc_receiver(make_receiver):
    return make_receiver(GrpcReceiver)


@pytest.fixture
def receiver_kinds():
    """The receivers' classes by protocol."""
    return {"http/protobuf": Receiver, "grpc": GrpcReceiver}


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.thaw.set()
    receiver.stop()
