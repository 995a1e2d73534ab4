"""Columns of a block in one blob: each compressed by itself, so that a search inflates only what it looks at."""

import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence

LEVEL = 1
"""Level 6 makes blocks 6 % smaller and costs three times as much."""

_RAW = 1 << 31


def pack(sections: Sequence[bytes]) -> bytes:
    """Join sections; each is compressed where that makes it smaller."""
    sizes, parts = array("I"), list[bytes]()
    for section in sections:
        small = zlib.compress(section, LEVEL)
        is_smaller = len(small) < len(section)
        parts.append(small if is_smaller else section)
        sizes.append(len(parts[-1]) | (0 if is_smaller else _RAW))
    return struct.pack("<B", len(sections)) + little(sizes) + b"".join(parts)


class Sections:
    """The sections of a packed blob, inflated one by one as they are asked for.

    Raises:
        ValueError: the blob is damaged. A section that inflates to more than `MAX_SECTION_BYTES` is.
    """

    MAX_SECTION_BYTES = 64 << 20
    __slots__ = ("_blob", "_inflated", "_places")

    def __init__(self, blob: bytes) -> None:
        count = blob[0]
        self._blob = blob
        self._inflated: dict[int, bytes] = {}
        self._places: list[tuple[int, int]] = []
        at = 1 + 4 * count
        for size in numbers("I", blob[1:at]):
            self._places.append((at, size))
            at += size & ~_RAW
        if at != len(blob):
            raise ValueError("a block is cut short")

    def __getitem__(self, number: int) -> bytes:
        """Return the section as it was given to `pack`."""
        found = self._inflated.get(number)
        if found is None:
            at, size = self._places[number]
            found = self._blob[at : at + (size & ~_RAW)]
            if not size & _RAW:
                inflater = zlib.decompressobj()
                found = inflater.decompress(found, self.MAX_SECTION_BYTES)
                if not inflater.eof:
                    raise ValueError("a section of a block is damaged or too large")
            self._inflated[number] = found
        return found


def little(numbers_: "array[int]") -> bytes:
    """Return the array's bytes, least significant first."""
    if sys.byteorder == "big":
        numbers_ = array(numbers_.typecode, numbers_)
        numbers_.byteswap()
    return numbers_.tobytes()


def numbers(typecode: str, data: bytes) -> "array[int]":
    """Return the array that `little` wrote."""
    found = array(typecode, data)
    if sys.byteorder == "big":
        found.byteswap()
    return found


def shuffled(values: Iterable[int]) -> bytes:
    """Return 64 bit numbers by byte: all lowest bytes, then all next, so that the equal high bytes vanish in zlib."""
    data = little(array("Q", values))
    return b"".join(data[plane::8] for plane in range(8))


def unshuffled(data: bytes) -> "array[int]":
    """Return the numbers that `shuffled` wrote."""
    count = len(data) // 8
    joined = bytearray(len(data))
    for plane in range(8):
        joined[plane::8] = data[plane * count : (plane + 1) * count]
    return numbers("Q", bytes(joined))


def joined(parts: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the lengths and the contents of texts of any length, each as a section."""
    return little(array("I", map(len, parts))), b"".join(parts)


def parted(lengths: bytes, contents: bytes) -> list[bytes]:
    """Return the texts that `joined` wrote."""
    found, at = list[bytes](), 0
    for size in numbers("I", lengths):
        found.append(contents[at : at + size])
        at += size
    return found
