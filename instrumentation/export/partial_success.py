"""Read the one thing an OTLP answer can say: how many records were refused, and why.

The three signals' answers have one wire shape: field 1 a message of field 1 an int64 (refused), field 2 a string (why).
"""

from collections.abc import Iterator


def partial_success(body: bytes) -> tuple[int, str]:
    """Return refused records and the reason; nothing refused if `body` is no such message. Never raises."""
    rejected, message = 0, ""
    try:
        for field, value in message_fields(body):
            if field == 1 and isinstance(value, bytes):
                for inner, item in message_fields(value):
                    if inner == 1 and isinstance(item, int):
                        rejected = item if item < 1 << 63 else 0
                    elif inner == 2 and isinstance(item, bytes):
                        message = item.decode(errors="replace")[:200]
    except (IndexError, ValueError):
        return 0, ""
    return rejected, message


def message_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Walk the fields of a message: varints as int, length-delimited ones as bytes; fixed ones are skipped."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        match key & 7:
            case 0:
                value, at = _varint(data, at)
                yield key >> 3, value
            case 2:
                size, at = _varint(data, at)
                if at + size > len(data):
                    raise ValueError("truncated")
                yield key >> 3, data[at : at + size]
                at += size
            case 1:
                at += 8
            case 5:
                at += 4
            case _:
                raise ValueError("unknown wire type")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("varint too long")
