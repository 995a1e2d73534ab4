"""Walk over the blocks of log records in a time range, and find what matches in each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from clew_console.query.log_match import LogMatcher, positions
from clew_console.query.logql import LogQuery, Matcher
from clew_console.search.reader import Deadline, connections
from clew_console.search.time_range import TimeRange
from clew_console.store.directory import Directory
from clew_console.store.log_block import LogBlock
from clew_console.store.pool import SegmentReader
from clew_console.store.term import trace_hash

_BLOCKS = "SELECT id, start_ns, end_ns FROM log_block WHERE end_ns >= ? AND start_ns < ? "
_OF_TRACE = "AND id IN (SELECT block_id FROM log_trace WHERE hash = ?) "


@dataclass(frozen=True, slots=True)
class LogHit:
    """A block with the positions of the records that match; never none of them."""

    reader: SegmentReader
    matcher: LogMatcher
    block: LogBlock
    positions: list[int]


def scan_logs(
    directory: Directory,
    query: LogQuery,
    when: TimeRange,
    *,
    newest_first: bool = True,
    stop: Callable[[int], bool] = lambda _: False,
) -> Iterator[LogHit]:
    """Yield the blocks with matching records, in order of time within each segment.

    Args:
        directory: What to read.
        query: Parsed.
        when: The records' time.
        newest_first: Which way through each segment.
        stop: Is told the latest time in the next block (the earliest, when going forward); when it returns True the
            rest of the segment is left out.
    """
    deadline = Deadline()
    only = _trace_of(query)
    sql = _BLOCKS + (_OF_TRACE if only is not None else "")
    sql += "ORDER BY end_ns DESC" if newest_first else "ORDER BY start_ns"
    for reader in connections(directory, deadline):
        labels = {resource_id: row.labels() for resource_id, row in reader.resources().items()}
        scopes = {scope_id: scope.name for scope_id, (scope, _) in reader.scopes().items()}
        matcher = LogMatcher(query, labels, scopes)
        if matcher.selects_nothing():
            continue
        parameters = (when.start_ns, when.end_ns, *(() if only is None else (only,)))
        for block_id, start_ns, end_ns in reader.execute(sql, parameters).fetchall():
            if stop(end_ns if newest_first else start_ns):
                break
            deadline.check()
            block = reader.log_block(block_id)
            found = positions(matcher.mask(block))
            if start_ns < when.start_ns or end_ns >= when.end_ns:
                times = block.times
                found = [one for one in found if when.start_ns <= times[one] < when.end_ns]
            if found:
                yield LogHit(reader, matcher, block, list(found))


def _trace_of(query: LogQuery) -> int | None:
    """Return the hash of the one trace that the query asks for."""
    for one in query.filters:
        if isinstance(one, Matcher) and one.label == "trace_id" and one.operator == "=" and len(one.value) == 32:
            try:
                return trace_hash(bytes.fromhex(one.value))
            except ValueError:
                return None
    return None
