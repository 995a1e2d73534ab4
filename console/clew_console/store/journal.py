"""What was acknowledged and is not in a segment yet, in files that outlive a killed process.

A record is handed to the operating system before its sender is answered: the page cache survives the process, not a
power cut. A record is its header (length, checksum, sequence, kind) and the request's bytes. Where a header or a
checksum does not fit, the process died while it wrote, and the file ends there.
"""

import contextlib
import logging
import os
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

MAX_FILE_BYTES = 4 << 20
"""A file goes when all of it is in a segment; larger files would keep more that nobody needs."""
MAX_RECORD_BYTES = 64 << 20

_HEADER = struct.Struct("<IIQB")
_PLACE = struct.Struct("<QB")
_NAME = re.compile(r"journal-(\d{20})")


@dataclass(frozen=True, slots=True)
class Record:
    """An acknowledged request: its place in the order of all, which signal it is of, its bytes."""

    sequence: int
    kind: int
    data: bytes


class Journal:
    """The journal of one data directory. Not safe for threads: the writer calls it under its lock.

    Args:
        path: The data directory.
        settled: The highest sequence that is in a segment.
    """

    def __init__(self, path: Path, settled: int) -> None:
        self._path = path
        self._settled = settled
        self._fd = -1
        self._file_bytes = 0
        self._last = dict[Path, int]()
        self._current: Path | None = None
        self.sequence = settled

    def unsettled(self) -> Iterator[Record]:
        """Yield what an earlier process acknowledged and did not write, in order; call it once, before `append`."""
        for file in _files(self._path):
            self._last[file] = 0
            for record in _records(file):
                self._last[file] = record.sequence
                self.sequence = max(self.sequence, record.sequence)
                if record.sequence > self._settled:
                    yield record
        self._remove_settled()

    def append(self, kind: int, data: bytes) -> int:
        """Hand a record to the operating system; return its sequence.

        Raises:
            OSError: the disk is full or the directory is gone; nothing of the record stays.
        """
        fd = self._open()
        sequence = self.sequence + 1
        checksum = _checksum(sequence, kind, data)
        record = [_HEADER.pack(len(data), checksum, sequence, kind), data]
        size_bytes = _HEADER.size + len(data)
        try:
            _write_all(fd, record, size_bytes)
        except OSError:
            os.ftruncate(fd, self._file_bytes)
            raise
        self._file_bytes += size_bytes
        self.sequence = sequence
        if self._current is not None:
            self._last[self._current] = sequence
        return sequence

    def settle(self, sequence: int) -> None:
        """Let go of what is in a segment: everything up to this sequence."""
        self._settled = max(self._settled, sequence)
        if self._file_bytes and (self._settled == self.sequence or self._file_bytes >= MAX_FILE_BYTES):
            self._close_file()
        self._remove_settled()

    def close(self) -> None:
        """Close the file; what is not settled stays for the next process."""
        self._close_file()
        with contextlib.suppress(OSError):
            self._remove_settled()

    def _open(self) -> int:
        if self._fd >= 0 and self._file_bytes >= MAX_FILE_BYTES:
            self._close_file()
        if self._fd < 0:
            path = self._path / f"journal-{self.sequence + 1:020d}"
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._current, self._file_bytes = path, 0
            self._last[path] = 0
        return self._fd

    def _close_file(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._file_bytes, self._current = -1, 0, None

    def _remove_settled(self) -> None:
        for path in [one for one, last in self._last.items() if last <= self._settled and one != self._current]:
            path.unlink(missing_ok=True)
            del self._last[path]


def journal_bytes(path: Path) -> int:
    """Return what the journal of a data directory takes on disk."""
    return sum(file.stat().st_size for file in _files(path) if file.exists())


def _write_all(fd: int, parts: list[bytes], size_bytes: int) -> None:
    if os.writev(fd, parts) != size_bytes:
        raise OSError("the journal's disk is full")


def _checksum(sequence: int, kind: int, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(_PLACE.pack(sequence, kind)))


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.iterdir() if _NAME.fullmatch(file.name))


def _records(file: Path) -> Iterator[Record]:
    """Yield the whole records of a file up to the first that is torn."""
    with file.open("rb") as opened:
        while header := opened.read(_HEADER.size):
            if len(header) == _HEADER.size:
                size_bytes, checksum, sequence, kind = _HEADER.unpack(header)
                data = opened.read(size_bytes) if size_bytes <= MAX_RECORD_BYTES else b""
                if len(data) == size_bytes and _checksum(sequence, kind, data) == checksum:
                    yield Record(sequence, kind, data)
                    continue
            logger.warning("%s ends in a record that is not whole, of a request that was not answered", file.name)
            return
