"""A trace in one line: root, start, duration, services, errors."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from clew_console.query.block_match import head_of
from clew_console.query.span_match import Root
from clew_console.search.reader import connections
from clew_console.store.directory import Directory
from clew_console.store.pool import SegmentReader
from clew_console.store.span_block import SpanBlock
from clew_console.store.term import trace_hash

SERVER, CLIENT = 2, 3
ROOT_MISSING = "<root span not yet received>"
"""What Tempo calls a trace whose root has not come."""


@dataclass(slots=True)
class TraceSummary:
    """What the spans of a trace add up to.

    Attributes:
        entry: The first operation that was served, at `entry_ns`.
        is_root_call: The root is a client's span, whose name says little: "GET". What was called is the entry.
    """

    trace_id: bytes
    start_ns: int = 1 << 63
    end_ns: int = 0
    spans: int = 0
    errors: int = 0
    root: Root = field(default_factory=lambda: Root(None, None))
    services: set[str] = field(default_factory=set)
    entry: Root | None = None
    is_root_call: bool = False
    entry_ns: int = 1 << 63

    @property
    def duration_ns(self) -> int:
        """From the first start to the last end."""
        return max(self.end_ns - self.start_ns, 0)


def summaries(directory: Directory, trace_ids: Iterable[bytes]) -> list[TraceSummary]:
    """Summarise the traces, in the order given, over all segments."""
    found = {trace_id: TraceSummary(trace_id) for trace_id in trace_ids}
    if not found:
        return []
    for reader in connections(directory):
        by_block = dict[int, list[TraceSummary]]()
        for summary in found.values():
            for block_id in blocks_of(reader, summary.trace_id):
                by_block.setdefault(block_id, []).append(summary)
        for block_id, of_block in by_block.items():
            _add(reader, reader.span_block(block_id), of_block)
    return list(found.values())


def root_of(directory: Directory, trace_id: bytes) -> Root:
    """Return the root of the trace, as far as it has come."""
    return summaries(directory, [trace_id])[0].root


def blocks_of(reader: SegmentReader, trace_id: bytes) -> list[int]:
    """Return the ids of the blocks that hold spans of the trace."""
    query = "SELECT block_id FROM trace WHERE hash = ? ORDER BY block_id"
    return [block_id for (block_id,) in reader.execute(query, (trace_hash(trace_id),))]


def _add(reader: SegmentReader, block: SpanBlock, wanted: list[TraceSummary]) -> None:
    resources, numbers = reader.resources(), dict[int, TraceSummary]()
    for summary in wanted:
        at = block.trace_ids.find(summary.trace_id)
        while at >= 0 and at % 16:
            at = block.trace_ids.find(summary.trace_id, at + 1)
        if at >= 0:
            numbers[at // 16] = summary
    starts, durations, heads, head = block.starts, block.durations, block.heads, block.head
    for position, number in enumerate(block.trace):
        summary = numbers.get(number)
        if summary is None:
            continue
        one = head_of(heads[head[position]])
        service = resources[one.resource_id].service
        summary.start_ns = min(summary.start_ns, starts[position])
        summary.end_ns = max(summary.end_ns, starts[position] + durations[position])
        summary.spans += 1
        summary.errors += one.status == 2
        summary.services.add(service)
        if one.is_root:
            summary.root, summary.is_root_call = Root(one.name, service), one.kind == CLIENT
        if one.kind == SERVER and starts[position] < summary.entry_ns:
            summary.entry, summary.entry_ns = Root(one.name, service), starts[position]
