"""Walk over the spans of a time range, the newest first."""

from collections.abc import Iterator

from clew_console.query.span_match import SpanFacts, span_facts, span_matches
from clew_console.query.traceql import Condition
from clew_console.search.reader import connections, resources
from clew_console.search.trace import FoundSpan
from clew_console.search.traces import TimeRange, root_of
from clew_console.store.chunk import decode
from clew_console.store.directory import Directory

MAX_SPANS = 50_000
"""Looked at for one answer."""


def scan(directory: Directory, when: TimeRange, most: int = MAX_SPANS) -> Iterator[FoundSpan]:
    """Yield the newest spans of the range, at most `most`."""
    left = most
    for connection in connections(directory):
        emitters, chunks = resources(connection), dict[int, list]()
        query = (
            "SELECT chunk_id, position, resource_id FROM span WHERE start_ns >= ? AND start_ns < ? "
            "ORDER BY start_ns DESC LIMIT ?"
        )
        for chunk_id, position, resource_id in connection.execute(query, (when.start_ns, when.end_ns, left)):
            if chunk_id not in chunks:
                row = connection.execute("SELECT encoded FROM chunk WHERE id = ?", (chunk_id,)).fetchone()
                chunks[chunk_id] = decode(row[0])
            scoped = chunks[chunk_id][position]
            left -= 1
            yield FoundSpan(emitters[resource_id], scoped.scope, scoped.scope_schema_url, scoped.span)
        if left <= 0:
            return


def facts(directory: Directory, found: FoundSpan) -> SpanFacts:
    """Return what a condition can ask of the span."""
    return span_facts(found.span, found.resource.attributes, lambda: root_of(directory, found.span.trace_id))


def matches(directory: Directory, condition: Condition | None, found: FoundSpan) -> bool:
    """Tell whether the span is in the spanset."""
    return condition is None or span_matches(condition, facts(directory, found))
