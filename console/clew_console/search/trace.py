"""All spans of one trace, as they came."""

from dataclasses import dataclass

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from clew_console.search.reader import connections
from clew_console.search.summary import blocks_of
from clew_console.store.directory import Directory
from clew_console.store.pool import SegmentReader
from clew_console.store.resource import ResourceRow
from clew_console.store.span_block import SpanBlock


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
    for reader in connections(directory):
        for block_id in blocks_of(reader, trace_id):
            block = reader.span_block(block_id)
            for position in block.positions_of(trace_id):
                one = found_span(reader, block, position)
                found.setdefault(one.span.span_id, one)
    return sorted(found.values(), key=lambda one: one.span.start_time_unix_nano)


def found_span(reader: SegmentReader, block: SpanBlock, position: int) -> FoundSpan:
    """Return a span of a block."""
    head = block.heads[block.head[position]]
    scope, schema_url = reader.scopes()[head.scope_id]
    return FoundSpan(reader.resources()[head.resource_id], scope, schema_url, block.span(position))
