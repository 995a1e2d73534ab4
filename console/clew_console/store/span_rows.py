"""Trace export requests as rows of a segment."""

from collections import Counter
from collections.abc import Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status

from clew_console.store.chunk import chunks, encode
from clew_console.store.identities import Identities
from clew_console.store.resource import service_name
from clew_console.store.term import terms

MAX_TIME_NS = (1 << 63) - 1
"""OTLP counts in 64 bits without sign, SQLite with; the year 2262 is where they part."""
NS_PER_MINUTE = 60 * 10**9

_ENTRIES = frozenset({Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CONSUMER})
_ADD_MINUTE = """
INSERT INTO minute (minute, service, spans, requests, errors, busy_ns) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET spans = spans + excluded.spans, requests = requests + excluded.requests,
    errors = errors + excluded.errors, busy_ns = busy_ns + excluded.busy_ns
"""


def write_traces(identities: Identities, request: ExportTraceServiceRequest) -> None:
    """Insert every span of the request."""
    for resource_spans in request.resource_spans:
        resource_id = identities.resource(resource_spans.resource, resource_spans.schema_url)
        service = service_name(resource_spans.resource)
        for chunk in chunks(resource_spans):
            _write_chunk(identities, resource_id, service, chunk)


def _write_chunk(identities: Identities, resource_id: int, service: str, chunk: ResourceSpans) -> None:
    connection = identities.connection
    insert = "INSERT INTO chunk (resource_id, encoded) VALUES (?, ?)"
    chunk_id = connection.execute(insert, (resource_id, encode(chunk))).lastrowid or 0
    spans = [span for scope_spans in chunk.scope_spans for span in scope_spans.spans]
    connection.executemany(
        "INSERT INTO span (chunk_id, resource_id, position, trace_id, span_id, name_id, "
        "kind, status, is_root, start_ns, duration_ns) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (chunk_id, resource_id, position, *_columns(span, identities.name(span.name)))
            for position, span in enumerate(spans)
        ),
    )
    connection.executemany("INSERT INTO term (hash, chunk_id) VALUES (?, ?)", _chunk_terms(spans, chunk_id))
    connection.executemany(_ADD_MINUTE, _minutes(spans, service))


def _columns(span: Span, name_id: int) -> tuple[object, ...]:
    return (
        span.trace_id,
        span.span_id,
        name_id,
        span.kind,
        span.status.code,
        not span.parent_span_id,
        min(span.start_time_unix_nano, MAX_TIME_NS),
        duration_ns(span),
    )


def duration_ns(span: Span) -> int:
    """Return end minus start, and 0 where the clock went backwards or the end is missing."""
    return min(max(span.end_time_unix_nano - span.start_time_unix_nano, 0), MAX_TIME_NS)


def _chunk_terms(spans: list[Span], chunk_id: int) -> set[tuple[int, int]]:
    # Equal attributes have equal bytes: serialising to compare is several times cheaper than hashing each.
    distinct = dict[bytes, KeyValue]()
    for span in spans:
        for attribute in span.attributes:
            distinct[attribute.SerializeToString()] = attribute
    return {(hashed, chunk_id) for hashed in terms(distinct.values())}


def _minutes(spans: list[Span], service: str) -> Iterator[tuple[object, ...]]:
    total, requests, errors, busy_ns = Counter[int](), Counter[int](), Counter[int](), Counter[int]()
    for span in spans:
        minute = span.start_time_unix_nano // NS_PER_MINUTE
        total[minute] += 1
        if span.kind in _ENTRIES:
            requests[minute] += 1
            errors[minute] += span.status.code == Status.STATUS_CODE_ERROR
            busy_ns[minute] += duration_ns(span)
    for minute, count in total.items():
        yield minute, service, count, requests[minute], errors[minute], min(busy_ns[minute], MAX_TIME_NS)
