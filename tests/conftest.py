"""What every test of the kit may use: sinks that keep what they are given, and spans made on them."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from free_ports import find_free_port
from opentelemetry import metrics
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from instrumentation.sampling import sampler
from instrumentation.settings import Settings
from instrumentation.signals.log import LogEmitter
from instrumentation.signals.meter import StoreMeterProvider
from instrumentation.signals.metric import MetricStore
from instrumentation.signals.signals import Signals
from instrumentation.signals.span import SpanSettings, TracerProvider

signal.signal(signal.SIGINT, signal.default_int_handler)
"""Started in the background a process ignores it, and so would every program that a test interrupts."""

if find_spec("hypothesis") is not None:  # so it is not in the environment of an old FastAPI
    from hypothesis import HealthCheck, settings

    settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("shared machine")

pytest_plugins = ["whole_shop"] if find_spec("shop") is not None else []
"""The shop's fixtures, for stories and rows; the environment of an old FastAPI has no shop."""


MOST_OF_AN_ID = 80


def pytest_make_parametrize_id(val):
    """Cut long values short: each worker sends every id to the controller, and one has 64 MiB of zeros."""
    if isinstance(val, str | bytes) and len(val) > MOST_OF_AN_ID:
        return f"{val[:MOST_OF_AN_ID]!a}... of {len(val)}"
    return None


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items):
    """Keep the tests of each shop on one worker, as to start it takes long."""
    for item in items:
        if "shop" in item.fixturenames and not any(item.iter_markers("xdist_group")):
            item.add_marker(pytest.mark.xdist_group(f"shop of {_directory_of_shop(item)}"))


def _directory_of_shop(item):
    (*_, definition) = item.session._fixturemanager.getfixturedefs("shop", item)
    return definition.baseid or "all"


REQUESTS = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
}


class Recorded(list):
    """A sink: keeps (scope, record) pairs."""

    def add(self, scope, record):
        self.append((scope, record))

    def defer(self, encode, parts, size):
        assert size > 0
        self.append(encode(parts))


class RecordedLines(list):
    """Takes lines."""

    def write(self, line):
        self.append(line)

    def defer(self, encode, parts, size):
        assert size > 0
        scope, line = encode(parts)
        assert scope == b""
        self.append(line)


class Kit(NamedTuple):
    """The three signals on recording sinks."""

    signals: Signals
    spans: Recorded
    records: Recorded
    lines: RecordedLines

    def decoded_spans(self):
        """Return the ended spans, decoded by the official protobufs."""
        return [SpanMessage.FromString(record) for _, record in self.spans]

    def decoded_logs(self):
        """Return the log records, decoded by the official protobufs."""
        return [LogRecord.FromString(record) for _, record in self.records]


@pytest.fixture
def make_kit():
    """Make the three signals on recording sinks; arguments are fields of Settings."""

    def make(sampler_name="parentbased_always_on", **settings):
        spans, records, lines = Recorded(), Recorded(), RecordedLines()
        provider = TracerProvider()
        provider.target = SpanSettings(spans, sampler(sampler_name))
        logs = LogEmitter("svc", records, lines)
        signals = Signals(Settings.from_env({}, **settings), provider, MetricStore(), logs)
        return Kit(signals, spans, records, lines)

    return make


@pytest.fixture
def kit(make_kit):
    """The three signals on recording sinks, with default settings."""
    return make_kit()


def plain(attributes):
    """Return protobuf KeyValues as a dict of Python values."""
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in attributes}


@pytest.fixture
def pattern_kit(kit, monkeypatch):
    """The recording kit, to which the patterns' own metrics go too."""
    store = SimpleNamespace(store=kit.signals.metrics)
    monkeypatch.setattr(metrics, "get_meter", StoreMeterProvider(store).get_meter)
    return kit


@pytest.fixture
def series_of():
    """Return the series of a recording kit with a value, by name and label values."""

    def read(kit):
        return {
            (family.name, *sorted(map(str, point.attributes.values()))): (
                sum(point.counts) if hasattr(point, "counts") else point.value
            )
            for family in kit.signals.metrics.snapshot()
            for point in family.points
        }

    return read


@pytest.fixture(name="plain")
def _plain():
    return plain


class OtlpSink:
    """A real OTLP/HTTP receiver on loopback that keeps what it is sent, decoded by the official protobufs.

    Attributes:
        endpoint: Its URL.
    """

    def __init__(self):
        self.requests = []
        self._arrived = threading.Condition()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                with sink._arrived:
                    sink.requests.append((self.path, REQUESTS[self.path].FromString(body)))
                    sink._arrived.notify_all()
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self):
        """Stop receiving."""
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def resources(self, signal, newest=0):
        """Return the (resource, scope, record) triples of a signal, of all requests or some of the newest."""
        parts = {
            "traces": ("resource_spans", "scope_spans", "spans"),
            "logs": ("resource_logs", "scope_logs", "log_records"),
            "metrics": ("resource_metrics", "scope_metrics", "metrics"),
        }[signal]
        with self._arrived:
            requests = [request for path, request in self.requests if path == f"/v1/{signal}"][-newest:]
        return [
            (resource.resource, scope.scope, record)
            for request in requests
            for resource in getattr(request, parts[0])
            for scope in getattr(resource, parts[1])
            for record in getattr(scope, parts[2])
        ]

    def records(self, signal):
        """Return the records of a signal."""
        return [record for _, _, record in self.resources(signal)]

    def wait_for(self, condition, seconds=10):
        """Wait until `condition()` is true of what has arrived."""
        with self._arrived:
            assert self._arrived.wait_for(condition, seconds), "not within the time"


@pytest.fixture
def otlp_sink():
    """A real OTLP/HTTP receiver."""
    sink = OtlpSink()
    yield sink
    sink.close()


@pytest.fixture(scope="session")
def make_otlp_sink():
    """Make real OTLP/HTTP receivers, for what outlives a test; whoever makes one closes it."""
    return OtlpSink


@pytest.fixture
def run(tmp_path, otlp_sink):
    """Run Python code in a process of its own that sends to the receiver."""

    def start(code, *, wait=True, command=None, **environment):
        (tmp_path / "program.py").write_text(textwrap.dedent(code))
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "CLEW_", "PYTEST_"))},
            "OTEL_EXPORTER_OTLP_ENDPOINT": otlp_sink.endpoint,
            "PYTHONPATH": str(tmp_path),
            **environment,
        }
        process = subprocess.Popen(
            command or [sys.executable, "program.py"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if not wait:
            started.append(process)
            return process
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    started = []
    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def free_port():
    """Return a function that finds a port that is free now."""
    return find_free_port


@pytest.fixture(scope="session")
def fetch():
    """Return a function that gives body and headers of a page, once it is served."""
    return fetch_page


def fetch_page(url, seconds=20, **headers):
    """Return body and headers of a page, once it is served."""
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as response:
                return response.read().decode(), response.headers
        except OSError:
            assert time.monotonic() < end, f"{url} is not served"
            time.sleep(0.05)


@pytest.fixture
def serve_program(run):
    """Serve a program's `app` with uvicorn's command; returns its process and URL."""

    def start(code, **environment):
        port = find_free_port()
        command = [sys.executable, "-m", "uvicorn", "program:app", "--port", str(port)]
        return run(code, wait=False, command=command, **environment), f"http://127.0.0.1:{port}"

    return start
