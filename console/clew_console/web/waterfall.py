"""A trace laid out as rows: nesting, bars, errors, log marks, critical path."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from clew_console.query.traceql import KIND
from clew_console.search.trace import FoundSpan
from clew_console.store.latency import duration_ns
from clew_console.web.critical_path import Segment, critical_path
from clew_console.web.log_row import LogRow

MAX_DEPTH = 24
"""Deeper spans are shown at this indent."""
MIN_WIDTH_PERCENT = 0.35

KIND_NAMES = {number: name for name, number in KIND.items()}


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on a row, in percent of the trace: an event, or a log line of a level."""

    at: float
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch on a row, in percent of the trace."""

    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Row:
    """One span of the waterfall. `enters` is whether its parent is another service's."""

    span_id: str
    parent_id: str
    name: str
    service: str
    enters: bool
    kind: str
    depth: int
    children: int
    is_error: bool
    is_orphan: bool
    start_ns: int
    after_ns: int
    duration_ns: int
    bar: Bar
    critical: list[Bar]
    critical_ns: int
    marks: list[Mark]
    links: int
    logs: Sequence[LogRow]

    @property
    def text_side(self) -> str:
        """Where the duration stands: right of the bar (""), "left" without room there, "inside" without room at all."""
        if self.bar.left + self.bar.width <= 88:
            return ""
        return "left" if self.bar.left > 12 else "inside"


@dataclass(frozen=True, slots=True)
class Waterfall:
    """A trace's rows, depth first, with what they add up to."""

    rows: list[Row]
    start_ns: int
    total_ns: int
    waits: list[tuple[str, int]]
    """Time on the critical path per service, the longest first; "" is waiting between spans."""

    @property
    def errors(self) -> int:
        """Failed spans."""
        return sum(row.is_error for row in self.rows)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Turns times into percent of the trace."""

    start_ns: int
    total_ns: int

    def at(self, time_ns: int) -> float:
        return round(min(max(100 * (time_ns - self.start_ns) / self.total_ns, 0), 100), 3)

    def bar(self, start_ns: int, end_ns: int) -> Bar:
        left = min(self.at(start_ns), 100 - MIN_WIDTH_PERCENT)
        return Bar(round(left, 3), round(max(self.at(end_ns) - left, MIN_WIDTH_PERCENT), 3))


def waterfall(spans: Sequence[FoundSpan], logs: Mapping[str, Sequence[LogRow]]) -> Waterfall:
    """Lay out the spans of one trace, children in order of their start.

    Args:
        spans: In order of their start; a parent that is not among them makes its children orphans at the top level.
        logs: Lines by span id.
    """
    if not spans:
        return Waterfall([], 0, 0, [])
    start_ns = min(found.span.start_time_unix_nano for found in spans)
    end_ns = max(found.span.start_time_unix_nano + duration_ns(found.span) for found in spans)
    frame = _Frame(start_ns, max(end_ns - start_ns, 1))
    path = dict[bytes, list[Segment]]()
    for segment in critical_path(spans):
        path.setdefault(segment.span_id, []).append(segment)
    services = {found.span.span_id: found.resource.service for found in spans}
    rows = [
        _row(
            found,
            depth,
            count,
            frame,
            logs.get(found.span.span_id.hex(), ()),
            path.get(found.span.span_id, []),
            services,
        )
        for found, depth, count in _walk(spans)
    ]
    return Waterfall(rows, start_ns, end_ns - start_ns, _waits(rows, end_ns - start_ns))


def _walk(spans: Sequence[FoundSpan]) -> Iterator[tuple[FoundSpan, int, int]]:
    """Yield span, depth and number of children. Spans on a cycle of parents come last, at the top level."""
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
            below = children.get(found.span.span_id, ())
            yield found, min(depth, MAX_DEPTH), len(below)
            pending.extend((child, depth + 1) for child in reversed(below))


def _row(
    found: FoundSpan,
    depth: int,
    children: int,
    frame: _Frame,
    logs: Sequence[LogRow],
    path: list[Segment],
    parents: Mapping[bytes, str],
) -> Row:
    span, took_ns = found.span, duration_ns(found.span)
    start_ns = span.start_time_unix_nano
    return Row(
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name or "(no name)",
        service=found.resource.service,
        enters=parents.get(span.parent_span_id) != found.resource.service,
        kind=KIND_NAMES.get(span.kind, str(span.kind)),
        depth=depth,
        children=children,
        is_error=span.status.code == Status.STATUS_CODE_ERROR,
        is_orphan=bool(span.parent_span_id) and span.parent_span_id not in parents,
        start_ns=start_ns,
        after_ns=start_ns - frame.start_ns,
        duration_ns=took_ns,
        bar=frame.bar(start_ns, start_ns + took_ns),
        critical=[frame.bar(one.start_ns, one.end_ns) for one in path],
        critical_ns=sum(one.end_ns - one.start_ns for one in path),
        marks=_marks(span, logs, frame),
        links=len(span.links),
        logs=logs,
    )


def _marks(span: Span, logs: Sequence[LogRow], frame: _Frame) -> list[Mark]:
    events = [Mark(frame.at(event.time_unix_nano), "event", event.name) for event in span.events]
    return events + [Mark(frame.at(line.time_ns), line.level, line.body[:120]) for line in logs]


def _waits(rows: Sequence[Row], total_ns: int) -> list[tuple[str, int]]:
    by_service = dict[str, int]()
    for row in rows:
        by_service[row.service] = by_service.get(row.service, 0) + row.critical_ns
    found = sorted(((name, spent) for name, spent in by_service.items() if spent), key=lambda one: -one[1])
    waiting = total_ns - sum(spent for _, spent in found)
    return [*found, ("", waiting)] if waiting > 0 else found
