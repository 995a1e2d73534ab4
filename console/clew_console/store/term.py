"""Hashes by which the chunks holding an attribute are found."""

import hashlib
from collections.abc import Iterable, Iterator

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from clew_console.store.value import Value, python_value

_BYTES = 6
"""SQLite stores integers of up to 6 bytes in 6; a collision only costs decoding a chunk for nothing."""


def terms(attributes: Iterable[KeyValue]) -> Iterator[int]:
    """Yield the hashes under which a chunk with these attributes must be found."""
    for attribute in attributes:
        yield key_term(attribute.key)
        value = python_value(attribute.value)
        for item in value if isinstance(value, list) else (value,):
            yield value_term(attribute.key, item)


def key_term(key: str) -> int:
    """Return the hash for "has this attribute"."""
    return _hash(key)


def value_term(key: str, value: Value) -> int:
    """Return the hash for "has this attribute with this value". The numbers 3 and 3.0 are one value."""
    return _hash(f"{key}\0{_canonical(value)}")


def _canonical(value: Value) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{type(value).__name__}:{value}"
    return f"number:{float(value)!r}"


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=_BYTES).digest(), "big") >> 1
