"""Spans of one resource as they came, compressed together."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

MAX_SPANS = 512
"""A trace decodes each chunk it has a span in; 512 spans inflate and parse in about 2 ms."""


@dataclass(frozen=True, slots=True)
class ScopedSpan:
    """A decoded span beside the scope that made it."""

    scope: InstrumentationScope
    scope_schema_url: str
    span: Span


def chunks(resource_spans: ResourceSpans) -> Iterator[ResourceSpans]:
    """Yield messages of at most 512 spans each, all without the resource."""
    total = sum(len(scope_spans.spans) for scope_spans in resource_spans.scope_spans)
    if 0 < total <= MAX_SPANS:
        whole = ResourceSpans()
        whole.scope_spans.extend(resource_spans.scope_spans)
        yield whole
    elif total:
        yield from _split(resource_spans)


def _split(resource_spans: ResourceSpans) -> Iterator[ResourceSpans]:
    for scope_spans in resource_spans.scope_spans:
        for first in range(0, len(scope_spans.spans), MAX_SPANS):
            part = ResourceSpans()
            scope = part.scope_spans.add(schema_url=scope_spans.schema_url)
            scope.scope.CopyFrom(scope_spans.scope)
            scope.spans.extend(scope_spans.spans[first : first + MAX_SPANS])
            yield part


def encode(chunk: ResourceSpans) -> bytes:
    """Compress at level 1: a few µs per span, and zlib lets other threads run meanwhile."""
    return zlib.compress(chunk.SerializeToString(), 1)


def decode(encoded: bytes) -> list[ScopedSpan]:
    """Return the spans in the order that `span.position` counts."""
    message = ResourceSpans.FromString(zlib.decompress(encoded))
    return [
        ScopedSpan(scope_spans.scope, scope_spans.schema_url, span)
        for scope_spans in message.scope_spans
        for span in scope_spans.spans
    ]
