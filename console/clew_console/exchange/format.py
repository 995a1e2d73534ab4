"""The file of a run: OTLP requests one after the other, in gzip, with a checksum at the end.

Inflated it is the line `clew-run 1`, then frames of one byte for the kind, four for the number of records and four for
the size (both big endian), and the content. The first frame is a JSON object that names the run, then come OTLP export
requests in protobuf, and last the SHA-256 of all before. So a file outlives changes of the store, and reading one means
what receiving OTLP means: no database of a stranger is ever opened.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

MAGIC = b"clew-run 1\n"
MAX_FRAME_BYTES = 17 << 20
"""A span that just fits into a request of 16 MiB, with its resource."""
MAX_ABOUT_BYTES = 64 << 10
MAX_INFLATED_BYTES = 16 << 30
PIECE_BYTES = 256 << 10

Kind: TypeAlias = Literal["about", "traces", "logs", "metrics", "end"]
KINDS: tuple[Kind, ...] = ("about", "traces", "logs", "metrics", "end")

_HEAD = struct.Struct(">BII")


class RunFileError(Exception):
    """A file is no run, is damaged, or is more than may be read; the message says which."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One part of the file: an OTLP request of so many spans, log records or points, or what the file is about."""

    kind: Kind
    records: int
    content: bytes


class RunEncoder:
    """Turn frames into the bytes of a file."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(6, wbits=31)
        self._checksum = hashlib.sha256()

    def begin(self) -> bytes:
        """Return the first bytes."""
        return self._add(MAGIC)

    def add(self, frame: Frame) -> bytes:
        """Return the bytes of a frame; often none yet."""
        return self._add(_HEAD.pack(KINDS.index(frame.kind), frame.records, len(frame.content)) + frame.content)

    def end(self) -> bytes:
        """Return the last bytes."""
        return self.add(Frame("end", 0, self._checksum.digest())) + self._deflate.flush()

    def _add(self, data: bytes) -> bytes:
        self._checksum.update(data)
        return self._deflate.compress(data)


class RunDecoder:
    """Turn the bytes of a file, piece by piece, into frames; hold no more than one frame inflated."""

    def __init__(self, max_inflated_bytes: int = MAX_INFLATED_BYTES) -> None:
        self._left_bytes = max_inflated_bytes
        self._inflate = zlib.decompressobj(wbits=31)
        self._buffer = bytearray()
        self._checksum = hashlib.sha256()
        self._has_magic = self._has_about = False
        self.checksum = ""
        """Of the whole file, once its end was read."""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that are complete with this piece.

        Raises:
            RunFileError: it is no run of this version, is damaged or inflates to too much.
        """
        is_full = False  # zlib may hold back what did not fit into the last piece
        while data or is_full:
            if self._inflate.eof:
                raise RunFileError("there is more behind its end")
            try:
                piece = self._inflate.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise RunFileError("it is not gzip, or it is damaged") from error
            self._left_bytes -= len(piece)
            if self._left_bytes < 0:
                raise RunFileError("it inflates to more than a run may hold")
            self._buffer += piece
            yield from self._frames()
            data = self._inflate.unconsumed_tail or self._inflate.unused_data
            is_full = len(piece) == PIECE_BYTES and not self._inflate.eof

    def finish(self) -> None:
        """See that the file is complete.

        Raises:
            RunFileError: it ends too early.
        """
        if not self.checksum or self._buffer or not self._inflate.eof:
            raise RunFileError("it ends too early")

    def _frames(self) -> Iterator[Frame]:
        if not self._has_magic and not self._take_magic():
            return
        at = 0
        while len(self._buffer) - at >= _HEAD.size:
            kind, records, size = _HEAD.unpack_from(self._buffer, at)
            self._check_head(kind, size)
            end = at + _HEAD.size + size
            if len(self._buffer) < end:
                break
            content = bytes(self._buffer[at + _HEAD.size : end])
            if KINDS[kind] == "end":
                self._check_end(content)
            else:
                self._checksum.update(self._buffer[at:end])
                self._has_about = True
                yield Frame(KINDS[kind], records, content)
            at = end
        del self._buffer[:at]

    def _take_magic(self) -> bool:
        found = bytes(self._buffer[: len(MAGIC)])
        if found != MAGIC[: len(found)]:
            version = found[len(b"clew-run ") :].partition(b"\n")[0]
            if found.startswith(b"clew-run ") and version.isdigit():
                raise RunFileError(f"it is of version {version.decode()}, this console reads 1; take a newer one")
            raise RunFileError("it is not a run that `clew console export` wrote")
        if len(found) < len(MAGIC):
            return False
        self._checksum.update(found)
        del self._buffer[: len(MAGIC)]
        self._has_magic = True
        return True

    def _check_head(self, kind: int, size: int) -> None:
        is_first, name = not self._has_about, KINDS[kind] if kind < len(KINDS) else ""
        if self.checksum or not name or (name == "about") != is_first:
            raise RunFileError("it is damaged: a part is not where it belongs")
        if size > (MAX_ABOUT_BYTES if is_first else MAX_FRAME_BYTES):
            raise RunFileError("it is damaged: a part is larger than any can be")

    def _check_end(self, content: bytes) -> None:
        if content != self._checksum.digest():
            raise RunFileError("it is damaged: its checksum is another")
        self.checksum = content.hex()
