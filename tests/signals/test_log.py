"""Log records: once as a line and once as an OTLP record, with the ids of the current span."""

import json

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from instrumentation.signals.console import render_console
from instrumentation.signals.log import ERROR, INFO, LogEmitter, level_of


def test_a_record_has_the_ids_of_the_current_span(kit, plain):
    """Line and record carry trace, span and request id, and the attributes with their types."""
    with kit.signals.tracers.get_tracer("t").start_as_current_span("s") as span:
        span.request_id = "r-1"
        kit.signals.logs.emit(
            INFO, "orders", "placed", {"items": 3, "paid": True}, time_unix_ns=1_700_000_000_000_000_000
        )
    (record,) = kit.decoded_logs()
    assert (record.trace_id, record.span_id, record.flags) == (span.trace_id, span.span_id, 1)
    assert (record.body.string_value, record.severity_number, record.severity_text) == ("placed", 9, "INFO")
    assert record.time_unix_nano == record.observed_time_unix_nano == 1_700_000_000_000_000_000
    assert plain(record.attributes) == {"items": 3, "paid": True, "request_id": "r-1"}
    assert json.loads(kit.lines[0]) == {
        "timestamp": "2023-11-14T22:13:20.000000Z",
        "level": "info",
        "event": "placed",
        "logger": "orders",
        "service.name": "svc",
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "request_id": "r-1",
        "items": 3,
        "paid": True,
    }


def test_a_foreign_span_is_as_good(kit):
    """A span that another library made current is on the record too."""
    foreign = NonRecordingSpan(SpanContext(7, 8, is_remote=False, trace_flags=TraceFlags(0)))
    with trace.use_span(foreign):
        kit.signals.logs.emit(INFO, "l", "e", {})
    (record,) = kit.decoded_logs()
    assert (int.from_bytes(record.trace_id), int.from_bytes(record.span_id), record.flags) == (7, 8, 0)


def test_without_a_span_there_are_no_ids(kit):
    """Outside of any span the ids are left out, not zero."""
    kit.signals.logs.emit(INFO, "l", "e", {})
    assert kit.decoded_logs()[0].trace_id == b""
    assert "trace_id" not in json.loads(kit.lines[0])


def test_an_exception_becomes_its_attributes(kit, plain):
    """Type, message and stack trace are attributes; of a long trace the end is kept, where the cause is."""
    try:
        {}["x" * 10_000]
    except KeyError as error:
        kit.signals.logs.emit(ERROR, "l", "failed", {}, exception=error)
    attributes = plain(kit.decoded_logs()[0].attributes)
    assert attributes["exception.type"] == "KeyError"
    assert len(attributes["exception.message"]) == len(attributes["exception.stacktrace"]) == 4096


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0, "trace"),
        (5, "trace"),
        (10, "debug"),
        (20, "info"),
        (25, "info"),
        (30, "warning"),
        (40, "error"),
        (99, "critical"),
    ],
)
def test_a_level_between_two_is_the_lower(number, name):
    """Levels of the service's own count as the nearest lower one."""
    assert level_of(number).name == name


def test_each_exit_can_be_off(kit):
    """With no exporter there is the line alone; with a handler of the service's own the record alone."""
    LogEmitter("svc", None, kit.lines).emit(INFO, "l", "e", {})
    LogEmitter("svc", kit.records, None).emit(INFO, "l", "e", {})
    kit.signals.logs.emit(INFO, "l", "e", {}, to_lines=False)
    assert (len(kit.lines), len(kit.records)) == (1, 2)


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "\x9b1m", "\u2028", "\x7f", "\r", "\ud800"])
def test_the_terminal_shows_no_control_character(text):
    """No logged text can move the cursor, change colours or begin a line of its own."""
    line = render_console("svc", INFO, text, text, {text: text}, None, 0).decode()
    for sequence in ("\x1b[2m", "\x1b[0m", "\x1b[1m", "\x1b[32m"):
        line = line.replace(sequence, "")
    assert line.endswith("\n")
    assert line[:-1].isprintable()
