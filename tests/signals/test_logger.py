"""OpenTelemetry's logs API: records reach both exits with all that they were given."""

import json

import pytest
from opentelemetry import context as otel_context
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from instrumentation.signals.logger import StoreLoggerProvider


@pytest.fixture
def logger(kit):
    """A logger of the API that writes to the kit's sinks."""
    provider = StoreLoggerProvider()
    provider.target = kit.signals.logs
    return provider.get_logger("lib", "1.2", attributes={"a": "b"})


def test_a_record_has_every_field_it_was_given(kit, logger, plain):
    """Times, severity, body, attributes, event name, ids and scope arrive as given."""
    span = SpanContext(0xAB, 0xCD, is_remote=False, trace_flags=TraceFlags(1))
    context = set_span_in_context(NonRecordingSpan(span), otel_context.Context())
    logger.emit(
        timestamp=1_000_000_001,
        observed_timestamp=2_000_000_002,
        context=context,
        severity_number=SeverityNumber.WARN2,
        severity_text="careful",
        body="hello",
        attributes={"k": 1, "list": ["a", "b"]},
        event_name="greeting",
    )
    (record,), ((scope, _),) = kit.decoded_logs(), kit.records
    assert (record.time_unix_nano, record.observed_time_unix_nano) == (1_000_000_001, 2_000_000_002)
    assert (record.severity_number, record.severity_text, record.event_name) == (14, "careful", "greeting")
    assert record.body.string_value == "hello"
    attributes = plain(record.attributes)
    assert attributes["k"] == 1
    assert [value.string_value for value in attributes["list"].values] == ["a", "b"]
    assert (record.trace_id.hex(), record.span_id.hex(), record.flags) == (f"{0xAB:032x}", f"{0xCD:016x}", 1)
    decoded = InstrumentationScope.FromString(scope)
    assert (decoded.name, decoded.version, plain(decoded.attributes)) == ("lib", "1.2", {"a": "b"})
    (line,) = map(json.loads, kit.lines)
    assert (line["event"], line["level"], line["logger"], line["k"]) == ("hello", "warning", "lib", 1)
    assert (line["trace_id"], line["event.name"]) == (f"{0xAB:032x}", "greeting")


def test_a_record_object_and_an_exception(kit, logger, plain):
    """A LogRecord of the API is taken as well, and its exception becomes the exception.* attributes."""
    logger.emit(LogRecord(body="failed", severity_number=SeverityNumber.ERROR, exception=ValueError("no good")))
    (record,) = kit.decoded_logs()
    attributes = plain(record.attributes)
    assert (record.severity_text, attributes["exception.type"]) == ("ERROR", "ValueError")
    assert attributes["exception.message"] == "no good"


def test_a_structured_body(kit, logger):
    """A body that is a mapping stays one in OTLP; the line has the event's name and the body beside it."""
    logger.emit(body={"input": ["x", 1]}, event_name="gen_ai.choice")
    (record,) = kit.decoded_logs()
    assert record.body.kvlist_value.values[0].key == "input"
    (line,) = map(json.loads, kit.lines)
    assert (line["event"], line["body"]) == ("gen_ai.choice", {"input": ["x", 1]})


def test_without_severity_there_is_none(kit, logger):
    """A record without a severity has none in OTLP."""
    logger.emit(body="x")
    (record,) = kit.decoded_logs()
    assert (record.severity_number, record.severity_text) == (0, "")


def test_a_logger_outlives_the_set_up(kit):
    """A logger that was handed out while the kit is off writes once it is on, and is silent when it is off again."""
    provider = StoreLoggerProvider()
    logger = provider.get_logger("lib")
    assert not logger.enabled()
    logger.emit(body="before")
    provider.target = kit.signals.logs
    assert logger.enabled()
    logger.emit(body="between")
    provider.target = None
    logger.emit(body="after")
    assert [record.body.string_value for record in kit.decoded_logs()] == ["between"]
