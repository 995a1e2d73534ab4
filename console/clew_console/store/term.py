"""A filter per block: which attributes it may hold, so that a search skips the blocks that cannot have a match."""

import struct
import zlib
from collections.abc import Iterable, Iterator

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from clew_console.store.value import Value
from clew_console.store.wire import prefixed, varint

_MIN_BITS, _MAX_BITS = 64, 1 << 17
_BITS_PER_TERM = 20
"""One bit is set of about 20: a block is looked at for nothing in 5 % of cases."""
_ARRAY_TAGS = (0x2A, 0x32)


def key_prefix(key: str) -> bytes:
    """Return the bytes that the encoded KeyValues of this key begin with."""
    return prefixed(b"\x0a", key.encode(errors="replace"))


def encoded_pair(key: str, value: Value) -> bytes | None:
    """Return the KeyValue as protobuf encodes it; None for what is no scalar."""
    message = KeyValue(key=key)
    if isinstance(value, bool):
        message.value.bool_value = value
    elif isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 63:
            return None
        message.value.int_value = value
    elif isinstance(value, float):
        message.value.double_value = value
    elif isinstance(value, str):
        message.value.string_value = value
    else:
        return None
    return message.SerializeToString()


def equal_pairs(key: str, value: Value) -> set[bytes]:
    """Return the encodings of all that equals the value: the numbers 3 and 3.0 are one value."""
    found = {encoded_pair(key, value)}
    if isinstance(value, int | float) and not isinstance(value, bool):
        found.add(encoded_pair(key, float(value)))
        if float(value).is_integer():
            found.add(encoded_pair(key, int(value)))
    return {one for one in found if one is not None}


def value_tag(pair: bytes, prefix_bytes: int) -> int:
    """Return the tag of the value in an encoded pair, 0 for a pair without one."""
    if len(pair) <= prefix_bytes + 1:
        return 0
    _, at = varint(pair, prefix_bytes + 1)
    return pair[at] if at < len(pair) else 0


def make_filter(pairs: Iterable[bytes]) -> bytes:
    """Return the filter of encoded KeyValues: one bit per pair, per key, and per item of a list."""
    hashes, prefixes = list[int](), set[bytes]()
    for pair in pairs:
        size = 2 + pair[1] if pair[1] < 128 else _long_prefix(pair)
        prefixes.add(pair[:size])
        hashes.append(zlib.crc32(pair))
        if value_tag(pair, size) in _ARRAY_TAGS:
            hashes.extend(_item_hashes(pair))
    hashes.extend(map(zlib.crc32, prefixes))
    bits = _MIN_BITS
    while bits < len(hashes) * _BITS_PER_TERM and bits < _MAX_BITS:
        bits *= 2
    mask, found = bits - 1, bytearray(bits // 8)
    for one in hashes:
        bit = one & mask
        found[bit >> 3] |= 1 << (bit & 7)
    return bytes(found)


def _long_prefix(pair: bytes) -> int:
    size, at = varint(pair, 1)
    return at + size


def _item_hashes(pair: bytes) -> Iterator[int]:
    message = KeyValue.FromString(pair)
    for item in message.value.array_value.values:
        yield zlib.crc32(
            KeyValue(key=message.key, value=AnyValue.FromString(item.SerializeToString())).SerializeToString()
        )


def may_hold(found: bytes, term: bytes) -> bool:
    """Tell whether a block with this filter can hold the pair, or the key of a `key_prefix`."""
    bit = zlib.crc32(term) & (len(found) * 8 - 1)
    return bool(found[bit >> 3] & 1 << (bit & 7))


def trace_hash(trace_id: bytes) -> int:
    """Return the signed 64 bits under which a trace's blocks are found; a collision costs looking into a block."""
    return struct.unpack("<q", trace_id[8:])[0]
