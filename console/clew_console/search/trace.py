"""All spans of one trace, as they came."""

from dataclasses import dataclass

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from clew_console.search.reader import connections, resources
from clew_console.store.chunk import decode
from clew_console.store.directory import Directory
from clew_console.store.resource import ResourceRow


@dataclass(frozen=True, slots=True)
class FoundSpan:
    """A span beside what emitted it."""

    resource: ResourceRow
    scope: InstrumentationScope
    scope_schema_url: str
    span: Span


def find_trace(directory: Directory, trace_id: bytes) -> list[FoundSpan]:
    """Return the trace's spans in order of their start; a span delivered twice comes once."""
    found = dict[bytes, FoundSpan]()
    for connection in connections(directory):
        query = "SELECT chunk_id, position FROM span WHERE trace_id = ? ORDER BY chunk_id, position"
        positions = dict[int, list[int]]()
        for chunk_id, position in connection.execute(query, (trace_id,)):
            positions.setdefault(chunk_id, []).append(position)
        emitters = resources(connection) if positions else {}
        for chunk_id, of_trace in positions.items():
            select = "SELECT resource_id, encoded FROM chunk WHERE id = ?"
            resource_id, encoded = connection.execute(select, (chunk_id,)).fetchone()
            spans = decode(encoded)
            for scoped in (spans[position] for position in of_trace):
                one = FoundSpan(emitters[resource_id], scoped.scope, scoped.scope_schema_url, scoped.span)
                found.setdefault(scoped.span.span_id, one)
    return sorted(found.values(), key=lambda one: one.span.start_time_unix_nano)
