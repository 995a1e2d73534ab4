"""A file of one size in which each worker of a server keeps its newest metric snapshot for the others to read.

The file has a table of cells and two buffers for each of them. Cell 0 holds what dead workers have left; every other
cell belongs to the worker whose process it names. A writer fills the buffer that is not current, then the table's
entry, whose checksums tell a reader when he has met a writer at work; then he reads again. So nobody waits for
anybody: a worker that is stopped or killed at any moment leaves its last whole snapshot behind.

A cell is taken under a lock on the file. Whoever takes one first adds what dead workers counted to cell 0, and the
same write says whose it has added: a reader finds a dead worker's counts in exactly one of the two places, and a taker
that is killed in between has done all or nothing.

The file is sparse; on disk it takes what the largest snapshots take, however often workers come and go. It is written
with `pwrite` instead of memory that is mapped, because a full disk is then an error and not a SIGBUS.
"""

import fcntl
import marshal
import os
import struct
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, cast
from zlib import crc32

CELLS = 129
"""Cell 0 and 128 workers."""
BUFFER_BYTES = 4 * 1024 * 1024
_ENTRY = struct.Struct("<QQQQIIII")  # process id and start, cell's serial, version, length and checksum of each buffer
_ENTRY_BYTES = _ENTRY.size + 4
_TABLE_BYTES = 16 * 1024
_LOCK_SECONDS = 2.0
_READS = 20

IsAlive = Callable[[int, int], bool]
"""Tells by process id and start whether a worker lives."""
Fold = Callable[[bytes, Sequence[bytes]], bytes]
"""Adds dead workers' snapshots to what cell 0 holds, which is nothing at first."""


class WorkersSeen(NamedTuple):
    """What a reader finds.

    Attributes:
        living: Snapshots of other workers that live.
        dead: Snapshots of workers that have died since a cell was last taken.
        folded: What the others left behind, empty if none did.
    """

    living: list[bytes]
    dead: list[bytes]
    folded: bytes


class _Entry(NamedTuple):
    """A cell's entry in the table."""

    pid: int = 0
    start: int = 0
    serial: int = 0
    version: int = 0
    length_0: int = 0
    checksum_0: int = 0
    length_1: int = 0
    checksum_1: int = 0

    def current(self) -> tuple[int, int, int]:
        """Return number, length and checksum of the current buffer."""
        return (1, self.length_1, self.checksum_1) if self.version & 1 else (0, self.length_0, self.checksum_0)

    def replaced(self, data: bytes) -> "_Entry":
        """Return the entry that makes `data` current, in the other buffer."""
        length, checksum = len(data), crc32(data)
        if self.version & 1:
            return self._replace(version=self.version + 1, length_0=length, checksum_0=checksum)
        return self._replace(version=self.version + 1, length_1=length, checksum_1=checksum)


class WorkerFile:
    """One process' view of the file.

    Args:
        path: Made if it is missing, readable for this user alone.
        is_alive: Tells whether a worker lives.
        fold: Combines what dead workers leave.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path, is_alive: IsAlive, fold: Fold) -> None:
        self._is_alive = is_alive
        self._fold = fold
        self._cell = 0
        self._own = _Entry()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def close(self) -> None:
        """Let go of the file; the cell stays, and is found dead once the process has ended."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def take(self, pid: int, start: int) -> bool:
        """Take a cell for this process, after adding up what dead workers left.

        Returns:
            Whether there was one; else all 128 workers live, or another process is stopped while it takes one.

        Raises:
            OSError: The disk is full, say.
        """
        with self._locked() as is_locked:
            if not is_locked:
                return False
            entries = self._table()
            dead = [cell for cell in range(1, CELLS) if entries[cell].pid and not self._lives(entries[cell])]
            entries = self._table()  # again: one that died meanwhile may have published before
            self._fold_into_cell_0(entries, dead)
            free = next((cell for cell in range(1, CELLS) if not entries[cell].pid or cell in dead), None)
            if free is None:
                return False
            # The version goes on, so that a reader of the cell's former owner cannot take one for the other.
            self._own = _Entry(pid, start, time.time_ns(), (entries[free].version + 2) & ~1)
            self._cell = free
            self._write_entry(free, self._own)
        return True

    def publish(self, data: bytes) -> None:
        """Make `data`, at most BUFFER_BYTES, this worker's snapshot.

        Raises:
            OSError: The disk is full, say; the snapshot before stands.
        """
        self._own = self._write(self._cell, self._own, data)

    def give_up(self) -> None:
        """Let the cell's snapshot count as a dead worker's from now on."""
        self._own = self._own._replace(start=0)
        self._write_entry(self._cell, self._own)

    def seen(self) -> WorkersSeen:
        """Read all cells but this process' own; never waits."""
        before = self._entry(0)
        found = self._seen(before)
        for _ in range(_READS):
            after = self._entry(0)
            if after.version == before.version:
                break
            before, found = after, self._seen(after)
        return found

    def _seen(self, base: _Entry) -> WorkersSeen:
        entries = self._table()
        folded_serials, folded = self._folded(base)
        living: list[bytes] = []
        dead: list[bytes] = []
        for cell in range(1, CELLS):
            entry = entries[cell]
            if not entry.pid or cell == self._cell or folded_serials.get(cell) == entry.serial:
                continue
            lives = self._lives(entry)
            if not lives:  # what it published last may have come after the table was read
                entry = self._entry(cell)
            if data := self._data(cell, entry):
                (living if lives else dead).append(data)
        return WorkersSeen(living, dead, folded)

    def _fold_into_cell_0(self, entries: Sequence[_Entry], dead: Sequence[int]) -> None:
        serials, folded = self._folded(entries[0])
        new = [cell for cell in dead if serials.get(cell) != entries[cell].serial]
        left = [data for cell in new if (data := self._data(cell, entries[cell]))]
        if new:
            folded = self._fold(folded, left) if left else folded
            self._write(0, entries[0], marshal.dumps(({cell: entries[cell].serial for cell in dead}, folded)))

    def _folded(self, base: _Entry) -> tuple[dict[int, int], bytes]:
        """Return the serials of those that cell 0 has, by cell, and what they left."""
        data = self._data(0, base)
        if not data:
            return {}, b""
        return cast("tuple[dict[int, int], bytes]", marshal.loads(data))  # noqa: S302 nobody else's file

    def _lives(self, entry: _Entry) -> bool:
        return bool(entry.start) and self._is_alive(entry.pid, entry.start)

    def _write(self, cell: int, entry: _Entry, data: bytes) -> _Entry:
        after = entry.replaced(data)
        self._pwrite(data, self._offset(cell, after.version & 1))
        self._write_entry(cell, after)
        return after

    def _write_entry(self, cell: int, entry: _Entry) -> None:
        packed = _ENTRY.pack(*entry)
        self._pwrite(packed + struct.pack("<I", crc32(packed)), cell * _ENTRY_BYTES)

    def _pwrite(self, data: bytes, offset: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._file, view, offset)
            view, offset = view[written:], offset + written

    def _table(self) -> list[_Entry]:
        table = os.pread(self._file, CELLS * _ENTRY_BYTES, 0)
        return [
            self._parsed(table[cell * _ENTRY_BYTES : (cell + 1) * _ENTRY_BYTES]) or self._entry(cell)
            for cell in range(CELLS)
        ]

    def _entry(self, cell: int) -> _Entry:
        for _ in range(_READS):
            entry = self._parsed(os.pread(self._file, _ENTRY_BYTES, cell * _ENTRY_BYTES))
            if entry is not None:
                return entry
        return _Entry()

    def _parsed(self, packed: bytes) -> _Entry | None:
        """Return an entry; an empty one where nothing was ever written, None if its writer was met at work."""
        if not packed.strip(b"\0"):
            return _Entry()
        if len(packed) < _ENTRY_BYTES or crc32(packed[:-4]) != int.from_bytes(packed[-4:], "little"):
            return None
        return _Entry(*_ENTRY.unpack(packed[:-4]))

    def _data(self, cell: int, entry: _Entry) -> bytes:
        """Return a cell's current snapshot; nothing if there is none or the cell has gone to another worker."""
        serial = entry.serial
        for _ in range(_READS):
            number, length, checksum = entry.current()
            if entry.serial != serial or not length:
                return b""
            data = os.pread(self._file, length, self._offset(cell, number))
            if len(data) == length and crc32(data) == checksum:
                return data
            entry = self._entry(cell)
        return b""

    def _offset(self, cell: int, number: int) -> int:
        return _TABLE_BYTES + (2 * cell + number) * BUFFER_BYTES

    @contextmanager
    def _locked(self) -> Generator[bool]:
        """Hold the file's lock, if it can be had in time: its holder may be stopped. The kernel frees a dead one's."""
        end = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    yield False
                    return
                time.sleep(0.005)
            else:
                break
        try:
            yield True
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
