"""What `capture` gives, and what it leaves behind: nothing."""

import asyncio
import logging
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import structlog
from fastapi import FastAPI
from opentelemetry import _logs, metrics, propagate, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from instrumentation import BusinessMetrics, Settings, get_logger, instrument, span
from instrumentation.testing import Exemplar, LogRecord, Point, Span, assert_linked, capture
from instrumentation.testing.clock import START_NS

SERVER = {"disabled_instrumentations": ("httpx",)}


def shop_app():
    app = FastAPI()

    @app.get("/orders/{number}")
    async def order(number: int):
        get_logger("shop").info("looked up", number=number)
        logging.getLogger("old").warning("old words")
        with span("charge", currency="EUR"):
            return {"number": number}

    return app


def get(app, path):
    """Call an application in this process, with a client that is no part of the trace."""

    async def send():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
            return await client.get(path)

    response = asyncio.run(send())
    assert response.status_code == 200
    return response


def world():
    """Return all that a set-up touches in this process."""
    root = logging.getLogger()
    return {
        "tracers": trace.get_tracer_provider(),
        "meters": metrics.get_meter_provider(),
        "loggers": _logs.get_logger_provider(),
        "textmap": propagate.get_global_textmap(),
        "handlers": list(root.handlers),
        "level": root.level,
        "factory": logging.getLogRecordFactory(),
        "access": list(logging.getLogger("uvicorn.access").filters),
        "structlog": structlog.get_config(),
        "configured": structlog.is_configured(),
        "configure": structlog.configure,
        "httpx": (httpx.Client.__dict__.get("send"), httpx.AsyncClient.__dict__.get("send"), httpx.HTTPTransport),
        "fastapi": (FastAPI.__init__, FastAPI.__call__),
        "thread": (threading.Thread.start, threading.Thread.run, ThreadPoolExecutor.submit),
        "sigterm": signal.getsignal(signal.SIGTERM),
        "time": (trace.__dict__.get("time"), time.time_ns),
    }


def test_one_request_is_captured_as_it_would_be_sent():
    """Spans, log records, metric points with exemplars and lines of one request, whole, with the same ids each time."""

    def once():
        with capture(service_name="shop", **SERVER) as captured:
            app = shop_app()
            instrument(app)
            get(app, "/orders/7")
            return (
                captured.spans(),
                captured.logs(),
                captured.point("http.server.request.duration"),
                captured.lines(),
                captured.resource(),
            )

    spans, logs, point, lines, resource = once()
    assert once()[:4] == (spans, logs, point, lines)
    server, charge = spans
    assert (server.kind, server.name, server.parent_span_id) == ("server", "GET /orders/{number}", "")
    assert server.attributes["http.route"] == "/orders/{number}"
    assert (charge.parent_span_id, charge.trace_id, charge.attributes) == (
        server.span_id,
        server.trace_id,
        {"currency": "EUR"},
    )
    assert START_NS < server.start_ns < charge.start_ns < charge.end_ns < server.end_ns < START_NS + 1_000_000
    assert [(log.event, log.level, log.logger) for log in logs if log.trace_id] == [
        ("looked up", "INFO", "shop"),
        ("old words", "WARN", "old"),
        ("GET /orders/{number} 200", "INFO", "access"),
    ]
    assert (point.kind, point.unit, point.count, sum(point.buckets)) == ("histogram", "s", 1, 1)
    assert_linked(logs[0], server, point)
    assert_linked(logs[0], server, point.exemplars[0])
    assert len(lines) == len(logs)
    assert resource["service.name"] == "shop"


def test_nothing_is_left_behind():
    """After a block all that it touched is what it was, and the next block starts empty."""
    with capture():
        instrument(shop_app())  # what is imported lazily is imported now
    before = world()
    for _ in range(2):
        with capture(**SERVER) as captured:
            app = shop_app()
            kind = type(app)
            instrument(app)
            get(app, "/orders/7")
            assert len(captured.spans()) == 2
            assert captured.point("http.server.request.duration").count == 1
            assert world() != before
        assert type(app) is kind
        assert world() == before


def test_a_failed_block_is_taken_back_too():
    """An exception within the block, or a wrong setting, leaves nothing behind either."""
    before = world()
    with pytest.raises(ZeroDivisionError), capture():
        raise ZeroDivisionError
    with pytest.raises(TypeError, match="unknown setting 'nonsense'"), capture(nonsense=1):
        pass
    assert world() == before


def test_an_application_that_was_instrumented_before_belongs_to_the_block(otlp_sink):
    """One that was instrumented at import is captured in the block, and sends to its own receiver before and after."""
    app = shop_app()
    before = instrument(app, settings=Settings.from_env({}, endpoint=otlp_sink.endpoint, service_name="real"))
    try:
        get(app, "/orders/1")
        with capture(**SERVER) as captured:
            assert instrument() is captured.telemetry
            get(app, "/orders/2")
            assert [one.attributes["url.path"] for one in captured.spans("GET /orders/{number}")] == ["/orders/2"]
            assert captured.point("http.server.request.duration").count == 1
        get(app, "/orders/3")
        assert instrument() is before
        assert before.flush()
    finally:
        before.uninstrument()
    servers = [one for one in otlp_sink.records("traces") if one.name == "GET /orders/{number}"]
    paths = [item.value.string_value for one in servers for item in one.attributes if item.key == "url.path"]
    assert sorted(paths) == ["/orders/1", "/orders/3"]
    (metric,) = [one for one in otlp_sink.records("metrics") if one.name == "http.server.request.duration"][-1:]
    assert metric.histogram.data_points[0].count == 2


def test_another_provider_gets_its_own_again_without_a_warning(caplog):
    """Beside a provider of the SDK the block captures, warns of nothing, and gives the provider its place back."""
    exporter = InMemorySpanExporter()
    foreign = TracerProvider()
    foreign.add_span_processor(SimpleSpanProcessor(exporter))
    provider, once = trace._TRACER_PROVIDER, trace._TRACER_PROVIDER_SET_ONCE
    trace._TRACER_PROVIDER, trace._TRACER_PROVIDER_SET_ONCE = None, trace.Once()
    try:
        with warnings.catch_warnings(), capture() as captured:
            warnings.simplefilter("error")
            trace.get_tracer("user").start_span("in the block").end()
            assert [one.name for one in captured.spans()] == ["in the block"]
        trace.set_tracer_provider(foreign)
        trace.get_tracer("user").start_span("before").end()
        with capture(**SERVER) as captured:
            trace.get_tracer("user").start_span("in the block").end()
            assert [one.name for one in captured.spans()] == ["in the block"]
        trace.get_tracer("user").start_span("after").end()
        assert trace.get_tracer_provider() is foreign
    finally:
        trace._TRACER_PROVIDER, trace._TRACER_PROVIDER_SET_ONCE = provider, once
    assert [one.name for one in exporter.get_finished_spans()] == ["before", "after"]
    assert "Overriding" not in caplog.text


def test_a_configuration_of_structlog_is_kept(capsys):
    """A service's own chain goes on printing in the block, is exported there, and is what it was afterwards."""
    structlog.configure(
        processors=[structlog.processors.KeyValueRenderer()], logger_factory=structlog.PrintLoggerFactory()
    )
    try:
        before = structlog.get_config()
        processors = list(before["processors"])
        with capture(**SERVER) as captured:
            with span("work"):
                structlog.get_logger().info("own chain")
            assert_linked(captured.log("own chain"), captured.span("work"))
            structlog.configure(processors=[])
        assert structlog.get_config() == before
        assert structlog.get_config()["processors"] == processors
    finally:
        structlog.reset_defaults()
    assert "event='own chain'" in capsys.readouterr().out


def test_caplog_sees_each_record_once(caplog):
    """pytest's caplog has every record of the standard library once, beside the block."""
    with capture(**SERVER) as captured:
        logging.getLogger("old").warning("once")
        assert len(captured.logs("once")) == 1
    assert [record.message for record in caplog.records].count("once") == 1


def test_the_clock_moves_when_told():
    """Durations of spans and requests are what the test makes of them; the process' time goes on."""
    with capture(**SERVER) as captured:
        with span("slow"):
            captured.clock.advance(1.5)
        assert captured.span("slow").seconds == pytest.approx(1.5, abs=1e-4)
        app = FastAPI()

        @app.get("/slow")
        async def slow():
            captured.clock.advance(0.3)

        instrument(app)
        get(app, "/slow")
        assert captured.point("http.server.request.duration").value == pytest.approx(0.3, abs=1e-4)
        logging.getLogger("old").warning("later")
        assert captured.log("later").time_ns == pytest.approx(START_NS + 1.8e9, abs=1e6)
        with pytest.raises(ValueError, match="does not go back"):
            captured.clock.advance(-1)
    begin = time.time_ns()
    with capture(real_clock=True) as captured:
        span("real")(int)()
        assert begin <= captured.span("real").start_ns <= time.time_ns()
        assert captured.clock is None


async def test_async_code_is_captured():
    """In a running loop spans of tasks have their parents, and a look-up does not need a loop of its own."""

    async def one(number):
        with span(f"child {number}"):
            await asyncio.sleep(0)

    with capture(**SERVER) as captured:
        with span("parent"):
            await asyncio.gather(one(1), one(2))
        captured.assert_trace(
            """
            internal parent
              internal child 1
              internal child 2
            """
        )


def test_business_metrics_of_a_module_are_captured():
    """Instruments made before the block, as modules make them, count in it from zero."""
    placed = BusinessMetrics("shop").counter(
        "orders.placed", unit="{order}", description="Orders.", labels={"channel": ("web", "app")}
    )
    for _ in range(2):
        with capture(**SERVER) as captured:
            placed.add(2, {"channel": "web"})
            assert captured.point("orders.placed", {"channel": "web"}).value == 2


def test_what_is_missing_is_told_with_what_there_is():
    """A look-up that finds none or several says what was captured."""
    with capture(**SERVER) as captured:
        with pytest.raises(AssertionError, match="no span 'charge', not one; captured: nothing"):
            captured.span("charge")
        for _ in range(2):
            span("other")(int)()
        logging.getLogger("x").warning("written")
        with pytest.raises(AssertionError, match=r"no span 'charge', not one; captured:\n  internal other"):
            captured.span("charge")
        with pytest.raises(AssertionError, match="2 span 'other', not one"):
            captured.span("other")
        with pytest.raises(AssertionError, match=r"no log 'charged', not one; captured:\n  WARN written"):
            captured.log("charged")
        with pytest.raises(AssertionError, match=r"no point of 'x' with {'a': 1}, not one"):
            captured.point("x", {"a": 1})
        captured.clear()
        assert (captured.spans(), captured.logs(), captured.lines()) == ([], [], [])
        with pytest.raises(ValueError, match="no place for golden shapes"):
            captured.assert_golden()


def test_records_are_plain_data():
    """What is captured compares by value."""
    assert Exemplar(1.0, "a", "b", 1) == Exemplar(1.0, "a", "b", 1)
    assert Point("a", "gauge", "1", {}, 1) == Point("a", "gauge", "1", {}, 1)
    assert LogRecord("a", "INFO", "l", "", "", 1, {}) != Span(
        "a", "internal", "", "", "", False, 1, 1, "ok", "", {}, (), (), ""
    )
