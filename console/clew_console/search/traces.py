"""Find traces by a TraceQL condition."""

from dataclasses import dataclass, field
from functools import partial
from heapq import nlargest

from clew_console.query.traceql import Condition
from clew_console.search.scan import scan
from clew_console.search.summary import TraceSummary, root_of, summaries
from clew_console.search.time_range import MAX_TIME_NS, TimeRange
from clew_console.store.directory import Directory

SPANS_PER_TRACE = 3
"""Matched spans returned with a trace, as many as Tempo returns by default."""


@dataclass(frozen=True, slots=True)
class MatchedSpan:
    """A span of the answer."""

    span_id: bytes
    start_ns: int
    duration_ns: int


@dataclass(slots=True)
class FoundTrace:
    """A trace with the spans that matched: at most three of `matched`, newest first."""

    summary: TraceSummary
    matched: int = 0
    spans: list[MatchedSpan] = field(default_factory=list)


def find_traces(directory: Directory, condition: Condition | None, when: TimeRange, limit: int) -> list[FoundTrace]:
    """Return at most `limit` traces with a matching span, the newest match first."""
    newest, matched = Newest(limit), dict[bytes, list[MatchedSpan]]()
    for hit in scan(directory, condition, when, partial(root_of, directory), newest.is_complete_before):
        block = hit.block
        starts, durations = block.starts, block.durations
        for position in hit.positions:
            start_ns = starts[position]
            if newest.add(block.trace_id(position), start_ns):
                span = MatchedSpan(block.span_id(position), start_ns, durations[position])
                matched.setdefault(block.trace_id(position), []).append(span)
    found = summaries(directory, newest.keys())
    return [_found(summary, matched[summary.trace_id]) for summary in found]


def _found(summary: TraceSummary, spans: list[MatchedSpan]) -> FoundTrace:
    spans.sort(key=lambda span: -span.start_ns)
    return FoundTrace(summary, len(spans), spans[:SPANS_PER_TRACE])


class Newest:
    """The newest `limit` keys of those added, each at the latest time it was added with."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._latest: dict[bytes, int] = {}
        self._threshold = 0

    def add(self, key: bytes, time_ns: int) -> bool:
        """Take a key; return whether it can be among the newest as far as is known."""
        known = self._latest.get(key)
        if known is None and time_ns < self._threshold:
            return False
        if known is None or time_ns > known:
            self._latest[key] = time_ns
        if len(self._latest) > 2 * self._limit + 100:
            self._trim()
        return True

    def _trim(self) -> None:
        kept = nlargest(self._limit, self._latest.items(), key=lambda item: item[1])
        self._threshold = kept[-1][1]
        self._latest = dict(kept)

    def is_complete_before(self, end_ns: int) -> bool:
        """Tell whether nothing that ends by then can be among the newest."""
        if len(self._latest) < self._limit:
            return False
        if len(self._latest) > self._limit:
            self._trim()
        self._threshold = min(self._latest.values())
        return end_ns < self._threshold

    def keys(self) -> list[bytes]:
        """Return the newest keys, the newest first."""
        return [key for key, _ in nlargest(self._limit, self._latest.items(), key=lambda item: item[1])]


__all__ = ["MAX_TIME_NS", "FoundTrace", "MatchedSpan", "Newest", "TimeRange", "find_traces"]
