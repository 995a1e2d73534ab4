"""What import and set-up bring into a process: what a service uses later comes with its use."""

import pytest

HEAVY = {
    "asyncio": "runs a loop",
    "concurrent.futures.process": "uses processes",
    "email": "parses mail, as importlib.metadata and http.client do",
    "gzip": "compresses",
    "http.client": "asks by HTTP",
    "http.server": "serves by it",
    "importlib.metadata": "asks for what is installed",
    "importlib.resources": "reads files of packages",
    "multiprocessing": "starts processes",
    "opentelemetry.sdk": "plugs parts of it in",
    "packaging": "has an instrumentation whose library is used",
    "prometheus_client": "has metrics of it",
    "rich": "has it beside structlog",
    "sqlite3": "has a database",
    "ssl": "speaks TLS",
    "statistics": "asks for them",
    "structlog": "logs by it",
    "tempfile": "makes such files",
    "google.protobuf": "has messages of it",
    "grpc": "calls by it",
}
"""Modules that take milliseconds, and what a service that needs them does."""
PARTS = (
    "_serving",
    "export.client_registry",
    "export.scrape",
    "export.scrape_server",
    "export.tls",
    "export.worker_file",
    "export.worker_page",
    "integrations.asgi",
    "integrations.wsgi",
    "pipeline.spool",
    "sdk",
    "signals.console",
    "signals.ecs",
    "testing",
)
"""Of the kit, likewise."""

WORK = """
import logging, sys
from opentelemetry import metrics, trace
from instrumentation import Settings, instrument, span
telemetry = instrument(service_name="lean")
with span("work") as current:
    logging.getLogger("work").warning("working")
    current.record_exception(ValueError("bad"))
metrics.get_meter("m").create_counter("works").add(1)
telemetry.flush(20)
print("MODULES", *sorted(sys.modules))
"""


def modules(run, code, **environment):
    status, out, err = run(code, **environment)
    assert (status, err) == (0, "")
    return set(next(line for line in out.splitlines() if line.startswith("MODULES")).split()[1:])


def test_a_script_brings_in_what_it_uses(run, otlp_sink):
    """Spans, lines and metrics by OTLP over plain HTTP need none of the modules that take long to import."""
    found = modules(run, WORK)
    assert {name: why for name, why in HEAVY.items() if name in found} == {}
    assert found & {f"instrumentation.{part}" for part in PARTS} == set()
    assert "work" in {span.name for span in otlp_sink.records("traces")}


@pytest.mark.parametrize(
    ("before", "brings"),
    [
        (
            "from instrumentation import get_logger; get_logger()",
            {"structlog", "instrumentation.integrations.structlog"},
        ),
        ("import prometheus_client", {"prometheus_client", "instrumentation.export.client_registry"}),
        ("import asyncio", {"asyncio"}),
    ],
)
def test_what_a_service_uses_comes_with_it(run, otlp_sink, before, brings):
    """What was left out is there once a service asks for it, and all the rest is still left out."""
    found = modules(run, WORK.replace("telemetry.flush", f"{before}\ntelemetry.flush"))
    assert brings <= found
    assert found & {"grpc", "opentelemetry.sdk", "instrumentation._serving", "instrumentation.export.tls"} == set()


def test_requests_import_nothing(run, otlp_sink):
    """With the first application comes what serves it, so that no request waits for an import; nor does `/metrics`."""
    code = """
    import sys, threading
    from wsgiref.util import setup_testing_defaults
    from instrumentation import instrument
    telemetry = instrument(service_name="lean")

    def plain(environ, start_response):
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    app = telemetry.wsgi(plain)
    before = set(sys.modules)
    for path in ("/", "/metrics", "/"):
        environ = {"PATH_INFO": path, "REQUEST_METHOD": "GET"}
        setup_testing_defaults(environ)
        body = app(environ, lambda status, headers, exc_info=None: lambda data: None)
        print(len(b"".join(body)))
        getattr(body, "close", lambda: None)()
    print("LATE", sorted(set(sys.modules) - before))
    """
    status, out, err = run(code)
    assert (status, err) == (0, "")
    assert "LATE []" in out.splitlines()


@pytest.mark.parametrize("switch", ["enable", "disable"])
def test_the_garbage_collector_is_left_as_it_was(run, switch):
    """It rests while the kit is imported; afterwards it is on or off as it was before."""
    code = f"""
    import gc, instrumentation
    gc.{switch}()
    before = gc.isenabled()
    instrumentation.instrument
    try:
        instrumentation.nothing
    except AttributeError as error:
        print(error)
    print("SAME", gc.isenabled() is before)
    """
    status, out, err = run(code)
    assert (status, err) == (0, "")
    assert out.splitlines() == ["module 'instrumentation' has no attribute 'nothing'", "SAME True"]
