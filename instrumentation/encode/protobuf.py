"""Write the protobuf wire format: the five field shapes that OTLP uses, as bytes.

Field headers are cached: OTLP's field numbers are few and known. Source: https://protobuf.dev/programming-guides/encoding/
"""

from functools import cache
from struct import Struct

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5

_FIXED64 = Struct("<Q").pack
_FIXED32 = Struct("<I").pack
_DOUBLE = Struct("<d").pack
ONE_BYTE = tuple(bytes((n,)) for n in range(128))


def varint(n: int) -> bytes:
    """Encode an unsigned integer below 2**64; a negative one as its 64-bit two's complement."""
    if 0 <= n < 128:
        return ONE_BYTE[n]
    n &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


@cache
def header(field: int, wire_type: int) -> bytes:
    """Encode a field's number and wire type."""
    return varint(field << 3 | wire_type)


def field_varint(field: int, n: int) -> bytes:
    """Encode an integer, boolean or enum field."""
    return header(field, VARINT) + varint(n)


def field_bytes(field: int, data: bytes) -> bytes:
    """Encode a bytes, string or embedded message field."""
    size = len(data)
    return header(field, LENGTH_DELIMITED) + (ONE_BYTE[size] if size < 128 else varint(size)) + data


def field_fixed64(field: int, n: int) -> bytes:
    """Encode an unsigned 64-bit integer below 2**64, as OTLP's timestamps are."""
    return header(field, FIXED64) + _FIXED64(n)


def field_fixed32(field: int, n: int) -> bytes:
    """Encode an unsigned 32-bit integer below 2**32, as OTLP's flags are."""
    return header(field, FIXED32) + _FIXED32(n)


def field_double(field: int, x: float) -> bytes:
    """Encode a 64-bit floating point field."""
    return header(field, FIXED64) + _DOUBLE(x)


def text(value: str) -> bytes:
    """Encode a string as UTF-8; what UTF-8 cannot hold (lone surrogates) becomes U+FFFD."""
    try:
        return value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
