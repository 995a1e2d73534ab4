"""Traces as dots: latency over time."""

from dataclasses import dataclass

from opentelemetry.proto.trace.v1.trace_pb2 import Status

from clew_console.query.traceql import Condition
from clew_console.search.scan import matches, scan
from clew_console.search.traces import TimeRange
from clew_console.store.directory import Directory
from clew_console.store.span_rows import duration_ns

MOST_DOTS = 2000


@dataclass(frozen=True, slots=True)
class Dot:
    """A matching span: with an empty query the root of its trace, else the span that matches."""

    trace_id: bytes
    span_id: bytes
    start_ns: int
    duration_ns: int
    is_error: bool
    service: str
    name: str


def trace_scatter(
    directory: Directory, condition: Condition | None, when: TimeRange, limit: int = MOST_DOTS
) -> list[Dot]:
    """Return at most `limit` dots, the newest first: one per trace, its longest matching span.

    Without a condition only root spans count.
    """
    dots = dict[bytes, Dot]()
    for found in scan(directory, when):
        span = found.span
        if (condition is None and span.parent_span_id) or not matches(directory, condition, found):
            continue
        if len(dots) >= limit and span.trace_id not in dots:
            break
        dot = Dot(
            span.trace_id,
            span.span_id,
            span.start_time_unix_nano,
            duration_ns(span),
            span.status.code == Status.STATUS_CODE_ERROR,
            found.resource.service,
            span.name,
        )
        known = dots.get(span.trace_id)
        if known is None or known.duration_ns < dot.duration_ns:
            dots[span.trace_id] = dot
    return sorted(dots.values(), key=lambda dot: -dot.start_ns)
