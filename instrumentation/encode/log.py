"""Encode a log record as OTLP protobuf bytes.

Source: https://github.com/open-telemetry/opentelemetry-proto, message opentelemetry.proto.logs.v1.LogRecord.
"""

from collections.abc import Mapping
from functools import cache
from struct import Struct
from typing import cast

from instrumentation.context import MAX_REQUEST_ID_BYTES
from instrumentation.encode import otlp
from instrumentation.encode.protobuf import field_bytes, field_fixed32, field_varint, text
from instrumentation.semconv import REQUEST_ID

# LogRecord.time_unix_nano (1) and observed_time_unix_nano (11): two fixed64 fields in one call.
_TIMES = Struct("<BQBQ").pack
_TIME, _OBSERVED = 0x09, 0x59

_ONE_BYTE = tuple(bytes((n,)) for n in range(128))

FLAGS_SAMPLED = field_fixed32(8, 1)


@cache
def severity(number: int, name: str) -> bytes:
    """Encode severity number (1 to 24) and its text. Cached: there are as many as levels."""
    return field_varint(2, number) + field_bytes(3, text(name))


def attribute(key: str, value: object, limit: int = otlp.MAX_VALUE_CHARACTERS) -> bytes:
    """Encode one entry of LogRecord.attributes, field header included."""
    return field_bytes(6, otlp.key_value(key, value, limit))


def attributes(mapping: Mapping[str, object], limit: int = otlp.MAX_VALUE_CHARACTERS) -> bytes:
    """Encode entries of LogRecord.attributes, field headers included."""
    return b"".join([attribute(key, value, limit) for key, value in mapping.items()])


def body(value: object, limit: int = otlp.MAX_VALUE_CHARACTERS) -> bytes:
    """Encode LogRecord.body: a string, as loggers write it, or any other value."""
    if value.__class__ is str and len(data := text(cast("str", value)[:limit])) < 126:
        size = len(data)  # both lengths in one byte: most bodies, in a third of the time
        return b"*" + _ONE_BYTE[size + 2] + b"\n" + _ONE_BYTE[size] + data
    return field_bytes(5, otlp.any_value(value, limit))


def event_name(name: str) -> bytes:
    """Encode LogRecord.event_name."""
    return field_bytes(12, text(name))


BEFORE_REQUEST_ID = tuple(attribute(REQUEST_ID, "x" * n)[: -n or None] for n in range(MAX_REQUEST_ID_BYTES + 1))
"""What stands before a request ID in its attribute, by the ID's length."""


def request_id(value: str) -> bytes:
    """Encode the request ID's attribute; a sane one is at most 128 characters of ASCII."""
    return BEFORE_REQUEST_ID[len(value)] + value.encode()


def ids(trace_id: bytes, span_id: bytes, *, sampled: bool) -> bytes:
    """Encode the identity (16 and 8 bytes) of the span that a record belongs to."""
    return (FLAGS_SAMPLED if sampled else b"") + b"\x4a\x10" + trace_id + b"\x52\x08" + span_id


def record(time_ns: int, rest: bytes, observed_ns: int = 0) -> bytes:
    """Encode a LogRecord message.

    Args:
        time_ns: Unix time, nanoseconds.
        rest: The encoded fields besides the times: severity, body, attributes, ids.
        observed_ns: When it was observed; default: at the same time.
    """
    return _TIMES(_TIME, time_ns, _OBSERVED, observed_ns or time_ns) + rest
