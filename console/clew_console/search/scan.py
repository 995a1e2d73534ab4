"""Walk over the blocks of spans in a time range, and find what matches in each."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

from clew_console.query.block_match import Matcher, may_match, needs_root
from clew_console.query.span_match import Root, span_facts, span_matches
from clew_console.query.traceql import Condition
from clew_console.search.reader import Deadline, connections
from clew_console.search.time_range import TimeRange
from clew_console.store.directory import Directory
from clew_console.store.pool import SegmentReader
from clew_console.store.span_block import SpanBlock, chosen

_BLOCKS = (
    "SELECT id, start_ns, end_ns, longest_ns FROM span_block WHERE end_ns >= ? AND start_ns < ? ORDER BY end_ns DESC"
)

_COUNT = "SELECT count(*) FROM span_block WHERE end_ns >= ? AND start_ns < ?"

RootOf = Callable[[bytes], Root]


@dataclass(frozen=True, slots=True)
class Hit:
    """A block with the positions of the spans that match; never none of them."""

    reader: SegmentReader
    block_id: int
    block: SpanBlock
    positions: list[int]


def scan(
    directory: Directory,
    condition: Condition | None,
    when: TimeRange,
    root_of: RootOf | None = None,
    stop: Callable[[int], bool] = lambda _: False,
    skip: Callable[[int], bool] = lambda _: False,
    every: int = 1,
) -> Iterator[Hit]:
    """Yield the blocks with matching spans, the newest first within each segment.

    Args:
        directory: What to read.
        condition: Which spans; None takes all.
        when: When they started.
        root_of: Finds a trace's root; needed when the condition can ask for it.
        stop: Is told the latest start in the next block; when it returns True the rest of the segment is left out.
        skip: Is told the longest duration in the next block; when it returns True the block is left out.
        every: Look at one block of so many only, always the same ones.
    """
    deadline = Deadline()
    verify = (
        partial(_verified, condition, lru_cache(maxsize=10_000)(root_of)) if root_of and needs_root(condition) else None
    )
    for reader in connections(directory, deadline):
        resources = reader.resources()
        matcher = Matcher(condition, resources)
        for block_id, start_ns, end_ns, longest_ns in reader.execute(_BLOCKS, (when.start_ns, when.end_ns)).fetchall():
            if stop(end_ns):
                break
            deadline.check()
            if block_id % every or skip(longest_ns):
                continue
            if condition is not None and not may_match(condition, _filter(reader, block_id), longest_ns, resources):
                continue
            block = reader.span_block(block_id)
            positions = list(chosen(matcher.mask(block)))
            if start_ns < when.start_ns or end_ns >= when.end_ns:
                starts = block.starts
                positions = [one for one in positions if when.start_ns <= starts[one] < when.end_ns]
            if verify:
                positions = verify(reader, block, positions)
            if positions:
                yield Hit(reader, block_id, block, positions)


def count_blocks(directory: Directory, when: TimeRange) -> int:
    """Return how many blocks a scan of this time looks at, at most."""
    times = (when.start_ns, when.end_ns)
    return sum(reader.execute(_COUNT, times).fetchone()[0] for reader in connections(directory))


def _filter(reader: SegmentReader, block_id: int) -> bytes:
    return reader.execute("SELECT filter FROM span_block WHERE id = ?", (block_id,)).fetchone()[0]


def _verified(
    condition: Condition, root_of: RootOf, reader: SegmentReader, block: SpanBlock, positions: list[int]
) -> list[int]:
    """Keep the positions that match when the root is known too."""
    resources = reader.resources()
    return [
        position
        for position in positions
        if span_matches(
            condition,
            span_facts(
                block.span(position),
                resources[block.heads[block.head[position]].resource_id].attributes,
                partial(root_of, block.trace_id(position)),
            ),
        )
    ]


class Budget:
    """Time for an answer that may be partial: the newest are looked at first."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self.is_spent = False

    def __call__(self, end_ns: int) -> bool:
        """Tell `scan` to stop once the time is over."""
        del end_ns
        self.is_spent = self.is_spent or time.monotonic() > self._until
        return self.is_spent
