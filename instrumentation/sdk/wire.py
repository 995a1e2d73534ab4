"""Read OTLP messages back into Python values, for the few that somebody wants to look at in the process.

Source: https://github.com/open-telemetry/opentelemetry-proto.
"""

from collections.abc import Iterator
from struct import unpack
from typing import Any

_SIZES = {1: 8, 5: 4}


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield field numbers and values: int for varint, fixed32 and fixed64, bytes for the rest."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, position = _varint(message, position)
            yield number, value
            continue
        size = _SIZES.get(wire_type)
        if size is None:
            size, position = _varint(message, position)
        part = message[position : position + size]
        position += size
        yield number, int.from_bytes(part, "little") if wire_type in _SIZES else part


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 127) << shift
        position += 1
        shift += 7
        if byte < 128:
            return value, position


def any_value(message: bytes) -> Any:
    """Read an AnyValue; a list becomes a tuple, as the SDK has it."""
    for number, value in fields(message):
        if number == 1:
            return value.decode()
        if number == 2:
            return bool(value)
        if number == 3:
            return value - (1 << 64) if value >= 1 << 63 else value
        if number == 4:
            return unpack("<d", value.to_bytes(8, "little"))[0]
        if number == 5:
            return tuple(any_value(item) for _, item in fields(value))
        if number == 6:
            return dict(key_value(item) for _, item in fields(value))
        return value
    return None


def key_value(message: bytes) -> tuple[str, Any]:
    """Read a KeyValue."""
    parts = dict(fields(message))
    return parts.get(1, b"").decode(), any_value(parts.get(2, b""))


def grouped(message: bytes) -> dict[int, list[Any]]:
    """Return all values of each field."""
    found: dict[int, list[Any]] = {}
    for number, value in fields(message):
        found.setdefault(number, []).append(value)
    return found
