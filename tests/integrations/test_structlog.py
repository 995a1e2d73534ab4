"""structlog: every event once; a configuration of the service's own is kept."""

import json
import logging

import pytest
import structlog

from instrumentation.integrations import structlog as integration


@pytest.fixture(autouse=True)
def unconfigured():
    """structlog as it is before anybody configures it."""
    configure = structlog.configure
    structlog.reset_defaults()
    yield
    structlog.configure = configure
    structlog.reset_defaults()


def test_an_event_comes_once_with_what_is_bound(kit, plain):
    """Event, bound keys and context variables are on the line and on the record, once each."""
    undo = integration.install(kit.signals)
    log = structlog.get_logger("shop").bind(order_id="o-1")
    with structlog.contextvars.bound_contextvars(tenant="t-1"):
        log.info("placed", items=2)
    log.debug("below the level")
    undo()
    (line,) = map(json.loads, kit.lines)
    assert [line[key] for key in ("event", "logger", "level", "order_id", "tenant", "items")] == [
        "placed",
        "shop",
        "info",
        "o-1",
        "t-1",
        2,
    ]
    assert plain(kit.decoded_logs()[0].attributes) == {"order_id": "o-1", "tenant": "t-1", "items": 2}
    assert not structlog.is_configured()


def test_an_exception_is_on_the_record(kit, plain):
    """`log.exception` adds type, message and stack trace."""
    integration.install(kit.signals)
    try:
        int("no good")
    except ValueError:
        structlog.get_logger("x").exception("failed")
    attributes = plain(kit.decoded_logs()[0].attributes)
    assert (attributes["exception.type"], attributes["exception.message"]) == (
        "ValueError",
        "invalid literal for int() with base 10: 'no good'",
    )
    assert json.loads(kit.lines[0])["level"] == "error"


def test_a_chain_of_the_service_s_own_prints_as_before_with_ids(kit):
    """The service's renderer prints once, now with ids; we export and print nothing; undo takes our processor out."""
    printed = []
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
        logger_factory=lambda *_args: type("Printer", (), {"info": staticmethod(printed.append)})(),
    )
    made_before = structlog.get_logger("x")
    undo = integration.install(kit.signals)
    with kit.signals.tracers.get_tracer("t").start_as_current_span("s") as span:
        made_before.info("hello", a=1)
    undo()
    made_before.info("after")
    first, second = map(json.loads, printed)
    assert first == {
        "event": "hello",
        "level": "info",
        "a": 1,
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
    }
    assert second == {"event": "after", "level": "info"}
    assert (len(kit.records), kit.lines) == (1, [])


def test_a_chain_that_ends_in_logging_gets_ids_alone(kit, caplog):
    """structlog through the standard library is exported by the root handler, not here a second time."""
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.stdlib.LoggerFactory()
    )
    integration.install(kit.signals)
    with caplog.at_level(logging.INFO), kit.signals.tracers.get_tracer("t").start_as_current_span("s") as span:
        structlog.get_logger("x").info("hello")
    assert json.loads(caplog.messages[0])["trace_id"] == span.trace_id.hex()
    assert kit.records == []


def test_a_configuration_made_later_is_joined(kit):
    """structlog.configure after instrument() keeps the service's form, gets the ids and is exported once."""
    undo = integration.install(kit.signals)
    printed = []
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()],
        logger_factory=lambda *_args: type("Printer", (), {"info": staticmethod(printed.append)})(),
    )
    with kit.signals.tracers.get_tracer("t").start_as_current_span("s") as span:
        structlog.get_logger("x").info("hello")
    undo()
    assert [json.loads(line)["trace_id"] for line in printed] == [span.trace_id.hex()]
    assert (len(kit.records), kit.lines) == (1, [])
    assert len(structlog.get_config()["processors"]) == 1
