"""Spans of every shape, and blocks made of them."""

import random

import pytest
from clew_console.store.log_block import LogBuilder
from clew_console.store.log_scan import scan_logs
from clew_console.store.span_block import SpanBuilder
from clew_console.store.span_scan import scan_spans
from clew_console.store.wire import field_end, varint
from opentelemetry.proto.trace.v1.trace_pb2 import Span

VALUES = (
    {"string_value": "a"},
    {"string_value": "x" * 300},
    {"string_value": ""},
    {"int_value": 3},
    {"int_value": -1},
    {"double_value": 3.0},
    {"double_value": float("inf")},
    {"bool_value": True},
    {"bool_value": False},
    {"bytes_value": b"\xff\x00"},
    {"array_value": {"values": [{"string_value": "a"}, {"int_value": 3}]}},
    {"kvlist_value": {"values": [{"key": "k", "value": {"string_value": "v"}}]}},
    {},
)
KEYS = ("n", "http.route", "k" * 200, "", "ключ", "n.m")


def strange_span(source):
    """Return a span of random shape with sound ids."""
    start_ns = source.choice((0, 1, source.getrandbits(60), (1 << 64) - 1))
    span = Span(
        trace_id=source.choice((b"\x01" * 16, source.randbytes(16))),
        span_id=source.randbytes(8),
        parent_span_id=source.choice((b"", b"\x02" * 8, source.randbytes(8), b"odd")),
        trace_state=source.choice(("", "a=b")),
        name=source.choice(("", "GET /", "ü" * 200)),
        kind=source.choice((0, 2, 3, 5, 77)),
        flags=source.choice((0, 0x101)),
        start_time_unix_nano=start_ns,
        end_time_unix_nano=source.choice((0, start_ns, min(start_ns + 5000, (1 << 64) - 1), max(start_ns - 7, 0))),
        dropped_attributes_count=source.choice((0, 200)),
    )
    for _ in range(source.randrange(5)):
        span.attributes.add(key=source.choice(KEYS), value=source.choice(VALUES))
    for _ in range(source.choice((0, 0, 2))):
        event = span.events.add(name="event", time_unix_nano=source.getrandbits(60))
        event.attributes.add(key="e", value=source.choice(VALUES))
        span.links.add(trace_id=source.randbytes(16), span_id=source.randbytes(8))
    if source.random() < 0.5:
        span.status.code = source.choice((0, 1, 2))
        span.status.message = source.choice(("", "why"))
    return span


@pytest.fixture
def strange_spans():
    """Return a function that makes that many spans of random shape."""

    def make(count, seed=1):
        source = random.Random(seed)
        return [strange_span(source) for _ in range(count)]

    return make


@pytest.fixture
def span_builder(make):
    """Return a function that gathers spans in a block builder; all are of resource 1 and scope 2."""

    def build(spans):
        builder = SpanBuilder()
        scan_spans(make.traces(*spans).SerializeToString(), lambda *_: (1, 2), builder, lambda: builder)
        return builder

    return build


@pytest.fixture
def log_builder(make):
    """Return a function that gathers log records in a block builder."""

    def build(records):
        builder = LogBuilder()
        scan_logs(make.logs(*records).SerializeToString(), lambda *_: (1, 2), builder, lambda: builder)
        return builder

    return build


@pytest.fixture
def in_any_order():
    """Return a function that encodes a message with its fields in a random order, as a sender may."""
    source = random.Random(7)

    def encode(message):
        data, parts, at = message.SerializeToString(), {}, 0
        while at < len(data):
            tag, begin = varint(data, at)
            end = field_end(data, begin, tag & 7)
            parts.setdefault(tag >> 3, []).append(data[at:end])
            at = end
        numbers = [number for number, found in parts.items() for _ in found]
        source.shuffle(numbers)
        return b"".join(parts[number].pop(0) for number in numbers)

    return encode
