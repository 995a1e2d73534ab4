"""Build the SDK's readable records from what the kit has encoded: its processors and exporters read those."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk._logs import ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from instrumentation.context import as_trace_state
from instrumentation.encode.span import IS_REMOTE
from instrumentation.sdk import wire

_KINDS = {kind.value + 1: kind for kind in SpanKind}
ResourceOf = Callable[[], Resource]


class CurrentResource:
    """The process' resource as the SDK's object, made again when the attributes change, as after a fork."""

    def __init__(self, attributes: Callable[[], Mapping[str, Any]]) -> None:
        self._attributes = attributes
        self._made: tuple[Mapping[str, Any], Resource] | None = None

    def __call__(self) -> Resource:
        """Return the resource."""
        attributes = self._attributes()
        if self._made is None or self._made[0] is not attributes:
            self._made = attributes, Resource(attributes)
        return self._made[1]


@lru_cache(maxsize=256)
def scope_of(message: bytes) -> InstrumentationScope:
    """Read an InstrumentationScope message."""
    parts = wire.grouped(message)
    attributes = dict(wire.key_value(item) for item in parts.get(3, ()))
    return InstrumentationScope(_text(parts, 1), _text(parts, 2), None, attributes)


def readable_span(scope: bytes, message: bytes, resource: Resource) -> ReadableSpan:
    """Read a Span message."""
    parts = wire.grouped(message)
    flags = _number(parts, 16)
    context = _context(parts[1][0], parts[2][0], _text(parts, 3), flags, is_remote=False)
    parent = (
        _context(parts[1][0], parts[4][0], _text(parts, 3), 1, is_remote=bool(flags & IS_REMOTE))
        if 4 in parts
        else None
    )
    return ReadableSpan(
        _text(parts, 5),
        context,
        parent,
        resource,
        _attributes(parts.get(9, ()), _number(parts, 10)),
        _bounded([_event(item) for item in parts.get(11, ())], _number(parts, 12)),
        _bounded([_link(item) for item in parts.get(13, ())], _number(parts, 14)),
        _KINDS[_number(parts, 6)],
        status=_status(parts),
        start_time=_number(parts, 7),
        end_time=_number(parts, 8),
        instrumentation_scope=scope_of(scope),
    )


def readable_log(scope: bytes, message: bytes, resource: Resource) -> ReadWriteLogRecord:
    """Read a LogRecord message."""
    parts = wire.grouped(message)
    number = _number(parts, 2)
    record = LogRecord(
        timestamp=_number(parts, 1),
        observed_timestamp=_number(parts, 11),
        severity_text=_text(parts, 3) or None,
        severity_number=SeverityNumber(number) if number else None,
        body=wire.any_value(parts[5][0]) if 5 in parts else None,
        attributes=dict(wire.key_value(item) for item in parts.get(6, ())),
        event_name=_text(parts, 12) or None,
    )
    record.trace_id = int.from_bytes(parts[9][0], "big") if 9 in parts else 0
    record.span_id = int.from_bytes(parts[10][0], "big") if 10 in parts else 0
    record.trace_flags = TraceFlags(_number(parts, 8))
    return ReadWriteLogRecord(record, resource, scope_of(scope))


def _text(parts: Mapping[int, Sequence[Any]], field: int) -> str:
    return parts[field][-1].decode() if field in parts else ""


def _number(parts: Mapping[int, Sequence[Any]], field: int) -> int:
    return parts[field][-1] if field in parts else 0


def _context(trace_id: bytes, span_id: bytes, state: str, flags: int, *, is_remote: bool) -> SpanContext:
    return SpanContext(
        int.from_bytes(trace_id, "big"),
        int.from_bytes(span_id, "big"),
        is_remote,
        TraceFlags(flags & 0xFF),
        as_trace_state(state),
    )


def _attributes(items: Sequence[bytes], dropped: int) -> BoundedAttributes:
    found = BoundedAttributes(attributes=dict(wire.key_value(item) for item in items))
    found.dropped = dropped
    return found


def _bounded(items: list[Any], dropped: int) -> Any:
    make: Any = BoundedList
    bounded = make.from_seq(None, items)
    bounded.dropped = dropped
    return bounded


def _event(message: bytes) -> Event:
    parts = wire.grouped(message)
    return Event(_text(parts, 2), _attributes(parts.get(3, ()), 0), _number(parts, 1))


def _link(message: bytes) -> Link:
    parts = wire.grouped(message)
    flags = _number(parts, 6)
    context = _context(parts[1][0], parts[2][0], _text(parts, 3), flags, is_remote=bool(flags & IS_REMOTE))
    return Link(context, _attributes(parts.get(4, ()), 0))


def _status(parts: Mapping[int, Sequence[Any]]) -> Status:
    if 15 not in parts:
        return Status(StatusCode.UNSET)
    found = wire.grouped(parts[15][0])
    return Status(StatusCode(_number(found, 3)), _text(found, 2) or None)
