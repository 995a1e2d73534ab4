"""The data directory: who owns it, which segment is written, which are deleted."""

import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path

from clew_console.store.journal import journal_bytes
from clew_console.store.pool import Pool
from clew_console.store.segment import Segment, SegmentError, check, progress, segment, segments

DEFAULT_MAX_SIZE_BYTES = 1 << 30
MIN_MAX_SIZE_BYTES = 8 << 20
"""Below this the empty tables and the write-ahead log alone would fill the store."""
QUEUE_SHARE = 32
"""The queue, and so its journal, takes at most 1/32 of the size cap."""
MAX_SEGMENTS = 1000
"""A trace looks into every segment, so the oldest also go when there are more than these."""
PARTS = 20
"""A segment closes at 1/20 of the size cap, so that deleting one keeps the store within 5 % of it."""


class Directory:
    """The segments of one data directory, held by one process at a time.

    Args:
        path: Made if it is not there.
        max_size_bytes: Cap of all segments together; the oldest are deleted to hold it.

    Raises:
        SegmentError: another process holds the directory, or a segment is not readable by this version.
    """

    def __init__(self, path: Path, max_size_bytes: int = DEFAULT_MAX_SIZE_BYTES) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.max_size_bytes = max_size_bytes
        self.pool = Pool()
        self.pruned_segments = 0
        self._lock_fd = _lock(path)
        try:
            for found in segments(path):
                check(found)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let another process have the directory."""
        self.pool.close()
        os.close(self._lock_fd)

    def segments(self) -> list[Segment]:
        """List the segments, newest first."""
        return segments(self.path)[::-1]

    def current(self) -> Segment:
        """Return the segment to write now; a clock set back goes on with the newest there is."""
        hour = datetime.now(UTC).strftime("%Y%m%dT%H")
        newest = next(iter(self.segments()), None)
        if newest is None or newest.hour < hour:
            return segment(self.path, hour, 1)
        if newest.size_bytes >= self.max_size_bytes // PARTS:
            return segment(self.path, newest.hour, newest.number + 1)
        return newest

    @property
    def size_bytes(self) -> int:
        """Bytes on disk: all segments and the journal."""
        return sum(one.size_bytes for one in self.segments()) + journal_bytes(self.path)

    def progress(self) -> int:
        """Return up to which sequence of the journal the segments go."""
        return max((progress(one.path) for one in self.segments()), default=0)

    def prune(self, room_bytes: int = 0) -> list[Segment]:
        """Delete the oldest segments until size and count are held, never the newest one. Return the deleted.

        Args:
            room_bytes: What is about to be written; it has to fit under the cap too.
        """
        kept = self.segments()
        total_bytes = sum(one.size_bytes for one in kept) + journal_bytes(self.path) + room_bytes
        deleted = list[Segment]()
        while len(kept) > 1 and (total_bytes > self.max_size_bytes or len(kept) > MAX_SEGMENTS):
            oldest = kept.pop()
            total_bytes -= oldest.size_bytes
            self.pool.forget(oldest)
            for file in oldest.files():
                file.unlink(missing_ok=True)
            deleted.append(oldest)
        self.pruned_segments += len(deleted)
        return deleted


def _lock(path: Path) -> int:
    lock_fd = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock_fd)
        raise SegmentError(
            f"{path} is in use by another console; stop it, or choose another --data (CLEW_CONSOLE_DATA)"
        ) from error
    return lock_fd
