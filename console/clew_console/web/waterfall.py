"""A trace laid out as rows: nesting, bars, errors, details."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from clew_console.query.traceql import KIND
from clew_console.search.logs import LogLine
from clew_console.search.trace import FoundSpan
from clew_console.store.latency import duration_ns
from clew_console.store.value import plain_text, python_attributes

MAX_DEPTH = 24
"""Deeper spans are shown at this indent."""
MIN_WIDTH_PERCENT = 0.4

_KIND_NAMES = {number: name for name, number in KIND.items()}


@dataclass(frozen=True, slots=True)
class EventRow:
    """A span event, its time relative to the span's start."""

    name: str
    after_ns: int
    attributes: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A link to another span."""

    trace_id: str
    span_id: str
    attributes: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Row:
    """One span of the waterfall. `left` and `width` are percent of the trace's duration."""

    span_id: str
    parent_id: str
    name: str
    service: str
    kind: str
    depth: int
    is_error: bool
    is_orphan: bool
    status_message: str
    start_ns: int
    after_ns: int
    duration_ns: int
    left: float
    width: float
    attributes: list[tuple[str, str]]
    resource: list[tuple[str, str]]
    scope: str
    events: list[EventRow]
    links: list[LinkRow]
    logs: Sequence[LogLine]


def waterfall(spans: Sequence[FoundSpan], logs: Mapping[str, Sequence[LogLine]]) -> list[Row]:
    """Lay out the spans of one trace, depth first, children in order of their start.

    Args:
        spans: In order of their start; a parent that is not among them makes its children orphans at the top level.
        logs: Lines by span id.
    """
    if not spans:
        return []
    start_ns = min(found.span.start_time_unix_nano for found in spans)
    end_ns = max(found.span.start_time_unix_nano + duration_ns(found.span) for found in spans)
    return [
        _row(found, depth, start_ns, max(end_ns - start_ns, 1), logs, known) for found, depth, known in _walk(spans)
    ]


def _walk(spans: Sequence[FoundSpan]) -> Iterator[tuple[FoundSpan, int, bool]]:
    """Yield span, depth and whether its parent is known. Spans on a cycle of parents come last, at the top level."""
    known = {found.span.span_id for found in spans}
    children = dict[bytes, list[FoundSpan]]()
    for found in spans:
        parent = found.span.parent_span_id
        children.setdefault(parent if parent in known else b"", []).append(found)
    seen = set[bytes]()
    for first in (*children.get(b"", ()), *spans):
        pending = [(first, 0)]
        while pending:
            found, depth = pending.pop()
            if found.span.span_id in seen:
                continue
            seen.add(found.span.span_id)
            yield found, min(depth, MAX_DEPTH), found.span.parent_span_id in known
            pending.extend((child, depth + 1) for child in reversed(children.get(found.span.span_id, ())))


def _row(
    found: FoundSpan,
    depth: int,
    start_ns: int,
    total_ns: int,
    logs: Mapping[str, Sequence[LogLine]],
    is_known: bool,
) -> Row:
    span = found.span
    span_id, after_ns, took_ns = span.span_id.hex(), span.start_time_unix_nano - start_ns, duration_ns(span)
    left = min(100 * after_ns / total_ns, 100 - MIN_WIDTH_PERCENT)
    return Row(
        span_id=span_id,
        parent_id=span.parent_span_id.hex(),
        name=span.name or "(no name)",
        service=found.resource.service,
        kind=_KIND_NAMES.get(span.kind, str(span.kind)),
        depth=depth,
        is_error=span.status.code == Status.STATUS_CODE_ERROR,
        is_orphan=bool(span.parent_span_id) and not is_known,
        status_message=span.status.message,
        start_ns=span.start_time_unix_nano,
        after_ns=after_ns,
        duration_ns=took_ns,
        left=round(left, 3),
        width=round(min(max(100 * took_ns / total_ns, MIN_WIDTH_PERCENT), 100 - left), 3),
        attributes=_pairs(span.attributes),
        resource=sorted((key, plain_text(value)) for key, value in found.resource.attributes.items()),
        scope=f"{found.scope.name} {found.scope.version}".strip(),
        events=[_event(event, span) for event in span.events],
        links=[LinkRow(link.trace_id.hex(), link.span_id.hex(), _pairs(link.attributes)) for link in span.links],
        logs=logs.get(span_id, ()),
    )


def _event(event: Span.Event, span: Span) -> EventRow:
    return EventRow(event.name, event.time_unix_nano - span.start_time_unix_nano, _pairs(event.attributes))


def _pairs(attributes: Sequence[KeyValue]) -> list[tuple[str, str]]:
    return sorted((key, plain_text(value)) for key, value in python_attributes(attributes).items())
