"""Encode a span's parts as OTLP protobuf bytes.

Source: https://github.com/open-telemetry/opentelemetry-proto, message opentelemetry.proto.trace.v1.Span.
"""

from collections.abc import Mapping
from functools import lru_cache
from struct import Struct
from typing import Any

from instrumentation.context import MAX_REQUEST_ID_BYTES
from instrumentation.encode import otlp
from instrumentation.encode.protobuf import field_bytes, field_fixed32, field_fixed64, field_varint, text
from instrumentation.semconv import REQUEST_ID

MAX_NAME_CHARACTERS = 256
HAS_IS_REMOTE, IS_REMOTE = 0x100, 0x200
"""Bits of `Span.flags` above the eight of W3C: whether the next one says something; whether the parent is remote."""

# Span.start_time_unix_nano (7) and end_time_unix_nano (8): two fixed64 fields in one call.
_TIMES = Struct("<BQBQ").pack
_START, _END = 0x39, 0x41


@lru_cache(maxsize=2048)
def name_and_kind(name: str, kind: int) -> bytes:
    """Encode name (cut at 256 characters) and kind (OTLP's number, 1 to 5). Cached: names are few by convention."""
    return field_bytes(5, text(name[:MAX_NAME_CHARACTERS])) + field_varint(6, kind)


# Span.flags of a sampled span.
FLAGS_LOCAL_PARENT = field_fixed32(16, HAS_IS_REMOTE | 1)
FLAGS_REMOTE_PARENT = field_fixed32(16, HAS_IS_REMOTE | IS_REMOTE | 1)


def finished(parts: tuple[Any, ...]) -> tuple[bytes, bytes]:
    """Encode a span of its parts; return the scope's message and the span's.

    Args:
        parts: Scope, trace id, span id, parent (None for a root; else with `span_id`, `trace_state` and `is_remote`),
            `name_and_kind`, start and end in Unix nanoseconds, and two pieces of encoded fields.
    """
    scope, trace_id, span_id, parent, name_kind, start_ns, end_ns, attributes, more = parts
    times = _TIMES(_START, start_ns, _END, end_ns)
    if parent is None:
        head = (b"\n\x10", trace_id, b"\x12\x08", span_id, name_kind, times)
        return scope, b"".join((*head, attributes, more, FLAGS_LOCAL_PARENT))
    flags = FLAGS_REMOTE_PARENT if parent.is_remote else FLAGS_LOCAL_PARENT
    rest = attributes + more + flags + trace_state(parent.trace_state)
    return scope, span(trace_id, span_id, parent.span_id, name_kind, start_ns, end_ns, rest)


def span(
    trace_id: bytes,
    span_id: bytes,
    parent_id: bytes,
    name_kind: bytes,
    start_ns: int,
    end_ns: int,
    rest: bytes,
) -> bytes:
    """Encode a Span message.

    Args:
        trace_id: 16 bytes.
        span_id: 8 bytes.
        parent_id: 8 bytes, or none for a root.
        name_kind: From `name_and_kind`.
        start_ns: Unix time, nanoseconds.
        end_ns: Unix time, nanoseconds, not before `start_ns`.
        rest: The encoded fields after these: attributes, events, links, status, flags, trace state.
    """
    ids = b"\n\x10" + trace_id + b"\x12\x08" + span_id
    if parent_id:
        ids += b"\x22\x08" + parent_id
    return ids + name_kind + _TIMES(_START, start_ns, _END, end_ns) + rest


def attribute(key: str, value: object, limit: int = otlp.MAX_VALUE_CHARACTERS) -> bytes:
    """Encode one entry of Span.attributes, field header included."""
    return field_bytes(9, otlp.key_value(key, value, limit))


def attributes(mapping: Mapping[str, object], limit: int = otlp.MAX_VALUE_CHARACTERS) -> bytes:
    """Encode entries of Span.attributes, field headers included."""
    return b"".join([attribute(key, value, limit) for key, value in mapping.items()])


BEFORE_REQUEST_ID = tuple(attribute(REQUEST_ID, "x" * n)[: -n or None] for n in range(MAX_REQUEST_ID_BYTES + 1))
"""What stands before a request ID in its attribute, by the ID's length."""


def request_id(value: str) -> bytes:
    """Encode the request ID's attribute; a sane one is at most 128 characters of ASCII."""
    return BEFORE_REQUEST_ID[len(value)] + value.encode()


def dropped(attributes_count: int, events_count: int, links_count: int) -> bytes:
    """Encode how many attributes, events and links were dropped at a limit."""
    counts = ((10, attributes_count), (12, events_count), (14, links_count))
    return b"".join([field_varint(field, count) for field, count in counts if count])


def event(name: str, time_ns: int, mapping: Mapping[str, object], limit: int = otlp.MAX_VALUE_CHARACTERS) -> bytes:
    """Encode one entry of Span.events, field header included."""
    message = field_fixed64(1, time_ns) + field_bytes(2, text(name[:MAX_NAME_CHARACTERS]))
    return field_bytes(11, message + otlp.attributes(3, mapping, limit))


def link(
    trace_id: bytes,
    span_id: bytes,
    trace_state: str,
    mapping: Mapping[str, object],
    bits: int,
    limit: int = otlp.MAX_VALUE_CHARACTERS,
) -> bytes:
    """Encode one entry of Span.links, field header included; `bits` as in `Span.flags`."""
    message = field_bytes(1, trace_id) + field_bytes(2, span_id)
    if trace_state:
        message += field_bytes(3, text(trace_state))
    return field_bytes(13, message + otlp.attributes(4, mapping, limit) + field_fixed32(6, bits))


def status(code: int, message: str = "") -> bytes:
    """Encode Span.status: code 1 is ok, 2 is error; nothing for unset (0)."""
    if not code:
        return b""
    body = field_bytes(2, text(message[: otlp.MAX_VALUE_CHARACTERS])) if message else b""
    return field_bytes(15, body + field_varint(3, code))


def trace_state(value: str) -> bytes:
    """Encode Span.trace_state."""
    return field_bytes(3, text(value)) if value else b""
