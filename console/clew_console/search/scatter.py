"""Traces as dots: latency over time."""

from dataclasses import dataclass
from functools import partial

from clew_console.query.block_match import head_of
from clew_console.query.traceql import Condition
from clew_console.search.scan import Budget, Hit, count_blocks, scan
from clew_console.search.summary import root_of
from clew_console.search.time_range import TimeRange
from clew_console.store.directory import Directory
from clew_console.store.span_block import trace_order

MOST_DOTS = 2000
BUDGET_SECONDS = 0.5
MOST_BLOCKS = 256
"""Of some 2000 spans each, a millisecond or two: so many lie beside each other on the chart without a gap."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A matching span: with an empty query the root of its trace, else the longest span of it that matches."""

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
    """Return at most `limit` dots, the newest first: one per trace.

    Of more traces than that a sample is drawn over the whole time; a trace that is drawn once is drawn always. The
    answer takes half a second at most, and then leaves the oldest out.
    """
    dots, sample = dict[bytes, Dot](), Sample(limit)
    every = thinning(count_blocks(directory, when)) if condition is None else 1  # what a query finds may be rare
    root, budget = partial(root_of, directory), Budget(BUDGET_SECONDS)
    for hit in scan(directory, condition, when, root, budget, every=every):
        for position in _candidates(hit) if condition is None else hit.positions:
            trace_id = hit.block.trace_id(position)
            if sample.takes(trace_id):
                known = dots.get(trace_id)
                if known is None or known.duration_ns < hit.block.durations[position]:
                    dots[trace_id] = _dot(hit, position)
        if len(dots) > 2 * limit:
            sample.narrow(dots)
    sample.narrow(dots)
    return sorted(dots.values(), key=lambda dot: -dot.start_ns)


def thinning(blocks: int) -> int:
    """Return one of how many blocks is enough: a power of two, so that mostly the same are looked at again."""
    every = 1
    while blocks > every * MOST_BLOCKS:
        every *= 2
    return every


def _candidates(hit: Hit) -> list[int]:
    is_root = [head.is_root for head in hit.block.heads]
    head = hit.block.head
    return [position for position in hit.positions if is_root[head[position]]]


def _dot(hit: Hit, position: int) -> Dot:
    block = hit.block
    head = head_of(block.heads[block.head[position]])
    service = hit.reader.resources()[head.resource_id].service
    return Dot(
        block.trace_id(position),
        block.span_id(position),
        block.starts[position],
        block.durations[position],
        head.status == 2,
        service,
        head.name,
    )


class Sample:
    """Draws traces by their ids, which are random: those whose number is below a bound."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bound = 1 << 64

    def takes(self, trace_id: bytes) -> bool:
        """Tell whether the trace is drawn, as far as is known."""
        return trace_order(trace_id) < self._bound

    def narrow(self, dots: dict[bytes, Dot]) -> None:
        """Leave the drawn ones only, at most as many as the limit."""
        if len(dots) <= self._limit:
            return
        ordered = sorted(dots, key=trace_order)
        self._bound = trace_order(ordered[self._limit])
        for trace_id in ordered[self._limit :]:
            del dots[trace_id]
