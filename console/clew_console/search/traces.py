"""Find traces by a TraceQL condition."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial

from clew_console.query.span_match import Root, span_facts, span_matches
from clew_console.query.traceql import Condition
from clew_console.query.traceql_sql import compile_traceql
from clew_console.search.reader import connections, resources
from clew_console.search.summary import TraceSummary, summaries
from clew_console.store.chunk import decode
from clew_console.store.directory import Directory

SPANS_PER_TRACE = 3
"""Matched spans returned with a trace, as many as Tempo returns by default."""
MAX_TIME_NS = (1 << 63) - 1

_COLUMNS = "s.trace_id, s.span_id, s.start_ns, s.duration_ns, s.chunk_id, s.position, s.resource_id"


@dataclass(frozen=True, slots=True)
class TimeRange:
    """From start, inclusive, to end, exclusive, in ns since 1970. Spans and logs count by their start."""

    start_ns: int = 0
    end_ns: int = MAX_TIME_NS


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
    hits = dict[bytes, list[MatchedSpan]]()
    for trace_id, span in _matching(directory, condition, when):
        if trace_id not in hits and len(hits) >= limit:
            break
        hits.setdefault(trace_id, []).append(span)
    found = summaries(directory, hits)
    return [FoundTrace(one, len(hits[one.trace_id]), hits[one.trace_id][:SPANS_PER_TRACE]) for one in found]


def _matching(
    directory: Directory, condition: Condition | None, when: TimeRange
) -> Iterator[tuple[bytes, MatchedSpan]]:
    remembered_root = lru_cache(maxsize=1024)(partial(root_of, directory))
    for connection in connections(directory):
        emitters = resources(connection)
        clause = compile_traceql(condition, list(emitters.values()))
        chunk = lru_cache(maxsize=32)(partial(_chunk, connection))
        query = (
            f"SELECT {_COLUMNS} "  # noqa: S608 - the clause has parameters for all that comes from the query
            f"FROM span s WHERE s.start_ns >= ? AND s.start_ns < ? AND {clause.sql} ORDER BY s.start_ns DESC"
        )
        rows = connection.execute(query, (when.start_ns, when.end_ns, *clause.parameters))
        for trace_id, span_id, start_ns, duration_ns, chunk_id, position, resource_id in rows:
            if not clause.is_exact:
                span = chunk(chunk_id)[position].span
                facts = span_facts(span, emitters[resource_id].attributes, partial(remembered_root, trace_id))
                if not span_matches(condition, facts):
                    continue
            yield trace_id, MatchedSpan(span_id, start_ns, duration_ns)


def _chunk(connection: sqlite3.Connection, chunk_id: int) -> list:
    return decode(connection.execute("SELECT encoded FROM chunk WHERE id = ?", (chunk_id,)).fetchone()[0])


def root_of(directory: Directory, trace_id: bytes) -> Root:
    """Return the root of the trace, as far as it has come."""
    return summaries(directory, [trace_id])[0].root
