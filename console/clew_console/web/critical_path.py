"""The critical path of a trace: at each moment the span that the end was waiting for.

From the span that ends last it goes back in time: into the child that ended last before the moment looked at, or, where
no child was running, it stays in the span; from its start it goes on in its parent. So it crosses queues: a consumer
that starts after its producer ended is waited for all the same, and the time between counts as waiting.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clew_console.search.trace import FoundSpan
from clew_console.store.latency import duration_ns

MAX_SEGMENTS = 20_000


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the path, within one span."""

    span_id: bytes
    start_ns: int
    end_ns: int


def critical_path(spans: Sequence[FoundSpan]) -> list[Segment]:
    """Return the path's segments, the latest first; they do not overlap."""
    if not spans:
        return []
    known = {one.span.span_id: one for one in spans}
    children = dict[bytes, list[FoundSpan]]()
    for one in spans:
        children.setdefault(one.span.parent_span_id, []).append(one)
    for siblings in children.values():
        siblings.sort(key=_end_ns, reverse=True)
    return _Walk(known, children).from_last(max(spans, key=_end_ns))


def _end_ns(one: FoundSpan) -> int:
    return one.span.start_time_unix_nano + duration_ns(one.span)


class _Walk:
    def __init__(self, known: Mapping[bytes, FoundSpan], children: Mapping[bytes, list[FoundSpan]]) -> None:
        self._known, self._children = known, children
        self._seen = set[bytes]()
        self._segments = list[Segment]()

    def from_last(self, last: FoundSpan) -> list[Segment]:
        """Walk the last span, then its ancestors, each until the one below it started."""
        at_ns, one = _end_ns(last), last
        while one is not None and one.span.span_id not in self._seen:
            self._within(one, at_ns)
            at_ns = min(at_ns, one.span.start_time_unix_nano)
            one = self._known.get(one.span.parent_span_id)
        return self._segments

    def _within(self, first: FoundSpan, until_ns: int) -> None:
        """Take the time of a span up to a moment, giving to each child what it was waited for."""
        pending = [(first, until_ns, iter(self._children.get(first.span.span_id, ())))]
        self._seen.add(first.span.span_id)
        while pending and len(self._segments) < MAX_SEGMENTS:
            one, at_ns, children = pending.pop()
            at_ns = min(at_ns, _end_ns(one))
            child = next((child for child in children if self._was_waited_for(child, one, at_ns)), None)
            if child is None:
                self._add(one, one.span.start_time_unix_nano, at_ns)
                continue
            self._add(one, _end_ns(child), at_ns)
            self._seen.add(child.span.span_id)
            pending.append((one, max(child.span.start_time_unix_nano, one.span.start_time_unix_nano), children))
            pending.append((child, _end_ns(child), iter(self._children.get(child.span.span_id, ()))))

    def _was_waited_for(self, child: FoundSpan, parent: FoundSpan, at_ns: int) -> bool:
        end_ns = _end_ns(child)
        is_new = child.span.span_id not in self._seen
        return is_new and end_ns <= at_ns and end_ns > parent.span.start_time_unix_nano

    def _add(self, one: FoundSpan, start_ns: int, end_ns: int) -> None:
        if end_ns > start_ns:
            self._segments.append(Segment(one.span.span_id, start_ns, end_ns))
