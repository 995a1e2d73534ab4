"""Keep batches of one signal in files until they are acknowledged, over the death of the process.

A segment is a file that is only appended to: a head with how far it is acknowledged, then batches, each with its
length and checksum. What is torn or damaged, by a death in the middle of a write or by a disk, costs itself alone:
reading goes on at the next whole batch. A segment whose batches are all acknowledged is deleted.

Each process writes segments of its own and holds a lock on them, which the kernel frees when it dies: then any process
with the same directory takes them over, one by one. Nothing is synced: segments survive the process, not the machine.
"""

import fcntl
import os
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import NamedTuple
from zlib import crc32

from instrumentation.signals.sink import Record

SEGMENT_BYTES = 4 * 1024 * 1024
"""A segment that has reached this size gets no further batch."""
SUFFIX = ".spool"
_HEAD = struct.Struct("<8sQ")
_FORMAT = b"CLEWSPL1"
_ENTRY = struct.Struct("<4sIII")  # mark, length of the body, records, checksum of these two and the body
_MARK = b"\xc1EW\n"
_LENGTH = struct.Struct("<I")
_LOOK_SECONDS = 5.0
"""Time between two looks for segments of the dead."""

Say = Callable[[str, str], None]
"""Takes a key and a line for people."""


class Spooled(NamedTuple):
    """A batch as it comes back.

    Attributes:
        resource: Resource message of the process that recorded it.
        records: Scope and record messages.
    """

    resource: bytes
    records: list[Record]


class _Segment:
    """An open segment, locked."""

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self.file = file
        self.size = os.fstat(file).st_size
        self.read_at = self.acknowledged_at = _HEAD.size
        if self.size >= _HEAD.size:
            mark, cursor = _HEAD.unpack(os.pread(file, _HEAD.size, 0))
            if mark == _FORMAT:
                self.read_at = self.acknowledged_at = min(max(cursor, _HEAD.size), self.size)

    def append(self, data: bytes) -> None:
        """Write `data` whole or not at all."""
        view, at = memoryview(data), self.size
        try:
            while view:
                written = os.pwrite(self.file, view, at)
                view, at = view[written:], at + written
        except OSError:
            os.ftruncate(self.file, self.size)
            raise
        self.size = at

    def entries(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Yield start, end, number of records and body of each whole batch from `read_at` on."""
        at = self.read_at
        data = os.pread(self.file, max(0, self.size - at), at)
        place = 0
        while (place := data.find(_MARK, place)) >= 0:
            body = _body(data, place)
            if body is None:
                place += 1
                continue
            end = place + _ENTRY.size + len(body)
            yield at + place, at + end, _ENTRY.unpack_from(data, place)[2], body
            place = end

    def acknowledge(self) -> None:
        """Remember that everything read is delivered."""
        self.acknowledged_at = self.read_at
        os.pwrite(self.file, _HEAD.pack(_FORMAT, self.acknowledged_at), 0)

    def close(self, *, delete: bool) -> None:
        """Let go of the file and its lock."""
        if delete:
            with suppress(OSError):  # its directory may be gone, or no directory any more
                self.path.unlink()
        os.close(self.file)


class Spool:
    """The segments of one signal in one directory that this process writes and reads. Any two threads.

    Args:
        directory: Made if it is missing.
        signal: Names the segments.
        max_bytes: Most bytes of the signal's segments in the directory, whoever wrote them.
        say: Tells of what is wrong.

    Attributes:
        unread: Records that are on disk and were not read yet.
        loaded: Records that were read and are not acknowledged.
    """

    def __init__(self, directory: Path, signal: str, max_bytes: int, say: Say) -> None:
        self._directory = directory
        self._signal = signal
        self._max_bytes = max_bytes
        self._say = say
        self._lock = Lock()
        self._segments: deque[_Segment] = deque()
        self._active: _Segment | None = None
        self._number = 0
        self.unread = self.loaded = 0
        self._used = (0, 0.0)  # bytes, and until when that is taken for true
        self._look_at = 0.0

    def append(self, resource: bytes, records: Sequence[Record]) -> bool:
        """Write a batch. Return whether it is on disk; else the spool or the disk is full, or cannot be written."""
        data = _packed(resource, records)
        with self._lock:
            try:
                if self._bytes_used() + len(data) > self._max_bytes:
                    self._say(
                        "spool full", f"the spool holds its {self._max_bytes} bytes; further records wait in memory"
                    )
                    return False
                self._writable().append(data)
            except OSError as error:
                self._say("spool", f"the spool cannot be written, records wait in memory: {error}")
                return False
            self._used = (self._used[0] + len(data), self._used[1])
            self.unread += len(records)
        return True

    def read(self) -> Spooled | None:
        """Return the oldest batch that was not read; acknowledge it before the next one."""
        with self._lock:
            for segment in self._segments:
                for start, end, count, body in segment.entries():
                    if start > segment.read_at:
                        self._damaged(segment, start - segment.read_at)
                    segment.read_at = end
                    self.unread -= count
                    self.loaded = count
                    return _unpacked(body)
        return None

    def acknowledge(self) -> None:
        """Forget the batch that was read, on disk too."""
        with self._lock:
            self.loaded = 0
            try:
                for segment in list(self._segments):
                    if segment.read_at > segment.acknowledged_at:
                        segment.acknowledge()
                    if next(segment.entries(), None) is None:
                        self._is_done_with(segment)
                    else:
                        break
            except OSError as error:
                self._say("spool", f"the spool cannot be written: {error}")

    def adopt(self) -> int:
        """Take over one segment of a process that has died, if there is one. Return how many records it holds.

        Looks every five seconds at most.
        """
        if time.monotonic() < self._look_at:
            return 0
        with self._lock:
            try:
                adopted = self._adopted()
            except OSError as error:
                self._say("spool", f"the spool cannot be read: {error}")
                adopted = None
            self._look_at = time.monotonic() + _LOOK_SECONDS
            if adopted is None:
                return 0
            count = sum(records for _, _, records, _ in adopted.entries())
            self.unread += count
            self._segments.appendleft(adopted)
            if not count:
                self._is_done_with(adopted)
            self._look_at = 0.0
        return count

    def close(self) -> None:
        """Leave what is not acknowledged to the next process."""
        with self._lock:
            for segment in self._segments:
                segment.read_at = segment.acknowledged_at
                segment.close(delete=next(segment.entries(), None) is None)
            self._segments.clear()
            self._active = None

    def forget_parent(self) -> None:
        """Let go of a forked child's copies; the parent's locks stay its own."""
        for segment in self._segments:
            os.close(segment.file)
        self._lock = Lock()
        self._segments.clear()
        self._active = None
        self.unread = self.loaded = 0
        self._look_at = 0.0

    def _writable(self) -> _Segment:
        if self._active is None or self._active.size >= SEGMENT_BYTES:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._number += 1
            path = self._directory / f"{self._signal}-{os.getpid()}-{time.time_ns()}-{self._number}{SUFFIX}"
            new = path.with_suffix(".new")  # a name that nobody takes over before it is locked
            file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX)
            segment = _Segment(new, file)
            try:
                segment.append(_HEAD.pack(_FORMAT, _HEAD.size))
                segment.path = new.rename(path)
            except OSError:
                segment.close(delete=True)
                raise
            self._active = segment
            self._segments.append(segment)
        return self._active

    def _is_done_with(self, segment: _Segment) -> None:
        """Delete a segment that holds nothing more; the one that is written goes on while it is small."""
        rest = segment.size - segment.read_at
        if segment is not self._active:
            if rest > 0:
                self._damaged(segment, rest)
            self._segments.remove(segment)
            segment.close(delete=True)
        elif segment.size > SEGMENT_BYTES // 4:
            # First cut, then the cursor: a death in between leaves a cursor behind the end, which means the end.
            os.ftruncate(segment.file, _HEAD.size)
            segment.size = segment.read_at = _HEAD.size
            segment.acknowledge()
        self._used = (0, 0.0)

    def _adopted(self) -> _Segment | None:
        own = {segment.path.name for segment in self._segments}
        names = sorted(os.listdir(self._directory)) if self._directory.is_dir() else []  # noqa: PTH208
        for name in names:
            if name in own or not self._is_ours(name):
                continue
            path = self._directory / name
            try:
                file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:  # another process was done with it
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # its process lives
                os.close(file)
                continue
            if os.fstat(file).st_nlink == 0:
                os.close(file)
                continue
            return _Segment(path, file)
        return None

    def _is_ours(self, name: str) -> bool:
        return name.startswith(f"{self._signal}-") and name.endswith(SUFFIX)

    def _bytes_used(self) -> int:
        """Return the bytes of the signal's segments in the directory, looked up once a second."""
        used, until = self._used
        if time.monotonic() >= until:
            try:
                with os.scandir(self._directory) as entries:
                    used = sum(entry.stat().st_size for entry in entries if self._is_ours(entry.name))
            except FileNotFoundError:
                used = 0
            self._used = (used, time.monotonic() + 1.0)
        return used

    def _damaged(self, segment: _Segment, count: int) -> None:
        self._say("spool damaged", f"{segment.path.name}: {count} bytes that are torn or damaged are left out")


def _packed(resource: bytes, records: Sequence[Record]) -> bytes:
    texts = [resource, *(text for record in records for text in record)]
    body = b"".join([part for text in texts for part in (_LENGTH.pack(len(text)), text)])
    checksum = crc32(body, crc32(struct.pack("<II", len(body), len(records))))
    return _ENTRY.pack(_MARK, len(body), len(records), checksum) + body


def _body(data: bytes, place: int) -> bytes | None:
    """Return the body of the batch that begins at `place`; None if no whole one does."""
    if len(data) < place + _ENTRY.size:
        return None
    _, length, count, checksum = _ENTRY.unpack_from(data, place)
    body = data[place + _ENTRY.size : place + _ENTRY.size + length]
    if len(body) != length or crc32(body, crc32(struct.pack("<II", length, count))) != checksum:
        return None
    return body


def _unpacked(body: bytes) -> Spooled:
    texts: list[bytes] = []
    at = 0
    while at < len(body):
        (length,) = _LENGTH.unpack_from(body, at)
        at += _LENGTH.size + length
        texts.append(body[at - length : at])
    return Spooled(texts[0], list(zip(texts[1::2], texts[2::2], strict=True)))
