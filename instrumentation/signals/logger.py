"""OpenTelemetry's logs API over the log pipeline: its users and instrumentations write where all logs go."""

from collections.abc import Mapping
from time import time_ns
from typing import Any, cast

from opentelemetry import _logs
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.trace import get_current_span
from opentelemetry.util.types import AnyValue, Attributes
from typing_extensions import override

from instrumentation import semconv
from instrumentation.context import Parent, parent_of
from instrumentation.encode import log as encode
from instrumentation.encode import otlp
from instrumentation.redaction import attribute
from instrumentation.redaction import attributes as attributes_without_secrets
from instrumentation.signals.log import CRITICAL, DEBUG, ERROR, INFO, TRACE, WARNING, Level, LogEmitter
from instrumentation.signals.log import exception_attributes as describe

_LEVELS = (TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL)
"""By severity number: four numbers each."""


def _level(number: SeverityNumber | None, text: str | None) -> Level:
    """Return the level of a record; one without a severity counts as info on the line, and has none in OTLP."""
    value = number.value if number is not None else 0
    known = _LEVELS[min((value - 1) // 4, 5)] if value > 0 else INFO
    return Level(known.name, value, text or (known.text if value else ""))


def _fields(record: LogRecord) -> dict[str, Any]:
    names = ("timestamp", "observed_timestamp", "context", "severity_number", "severity_text", "body", "attributes")
    return {name: getattr(record, name, None) for name in (*names, "event_name", "exception")}


class StoreLogger(_logs.Logger):
    """Logger of the API.

    Args:
        provider: Knows where records go now.
        name: Of the instrumentation scope, and of the logger on the line.
        scope: The same as an InstrumentationScope message.
    """

    def __init__(self, provider: "StoreLoggerProvider", name: str, scope: bytes) -> None:
        super().__init__(name)
        self._provider = provider
        self._scope = scope

    @override
    def enabled(
        self,
        *,
        context: Context | None = None,
        severity_number: SeverityNumber | None = None,
        event_name: str | None = None,
    ) -> bool:
        return self._provider.target is not None

    @override
    def emit(self, record: LogRecord | None = None, **fields: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] one body for both of the API's overloads
        emitter = self._provider.target
        if emitter is None:
            return
        try:
            _write(emitter, self._name, self._scope, **(fields if record is None else _fields(record)))
        except Exception as error:
            emitter.guard.caught("logs API", error)


def _write(
    emitter: LogEmitter,
    name: str,
    scope: bytes,
    *,
    timestamp: int | None = None,
    observed_timestamp: int | None = None,
    context: Context | None = None,
    severity_number: SeverityNumber | None = None,
    severity_text: str | None = None,
    body: AnyValue = None,
    attributes: Attributes = None,
    event_name: str | None = None,
    exception: BaseException | None = None,
) -> None:
    """Write a record to each exit; a record without a time of its own has the time of its observation."""
    observed_ns = observed_timestamp or time_ns()
    level = _level(severity_number, severity_text)
    parent = parent_of(get_current_span(context))
    merged = dict(cast("Mapping[str, object]", attributes)) if isinstance(attributes, Mapping) else {}
    if exception is not None:
        merged = {**describe(exception, emitter.max_value_characters), **merged}
    if emitter.redact:
        body = cast("AnyValue", attribute("", body))
        merged = dict(attributes_without_secrets(merged))
    if emitter.records is not None:
        record = _encode(emitter, level, body, merged, event_name, parent, timestamp or observed_ns, observed_ns)
        emitter.records.add(scope, record)
    if emitter.lines is not None:
        event, line = _line(body, merged, event_name)
        limit = emitter.max_value_characters
        rendered = emitter.render(
            emitter.service_name, level, name, event[:limit], line, parent, timestamp or observed_ns
        )
        emitter.lines.write(rendered)


def _line(body: AnyValue, attributes: Mapping[str, object], event_name: str | None) -> tuple[str, Mapping[str, object]]:
    """Return event and attributes of the line: a body that is no text stands beside the event's name."""
    if isinstance(body, str):
        return body, attributes if not event_name else {**attributes, semconv.EVENT_NAME: event_name}
    if body is None:
        return event_name or "", attributes
    if event_name:
        return event_name, {**attributes, "body": body}
    return otlp.as_text(cast("object", body)), attributes


def _encode(
    emitter: LogEmitter,
    level: Level,
    body: AnyValue,
    attributes: Mapping[str, object],
    event_name: str | None,
    parent: Parent | None,
    time_ns: int,
    observed_ns: int,
) -> bytes:
    limit = emitter.max_value_characters
    rest = encode.severity(level.number, level.text) if level.number or level.text else b""
    if body is not None:
        rest += encode.body(body, limit)
    rest += encode.attributes(attributes, limit)
    if event_name:
        rest += encode.event_name(event_name)
    if parent is not None:
        if parent.request_id:
            rest += encode.attribute(semconv.REQUEST_ID, parent.request_id)
        rest += encode.ids(parent.trace_id, parent.span_id, sampled=parent.sampled)
    return encode.record(time_ns, rest, observed_ns)


class StoreLoggerProvider(_logs.LoggerProvider):
    """The process' permanent logger provider: its target is swapped by `instrument`, `uninstrument` and tests.

    Attributes:
        target: Where records go; None while the kit is off.
    """

    def __init__(self) -> None:
        self.target: LogEmitter | None = None

    @override
    def get_logger(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> StoreLogger:
        return StoreLogger(self, name, otlp.scope(name, version, attributes))
