"""The segments one after the other, with a time limit for all of them together."""

import sqlite3
import time
from collections.abc import Iterator

from clew_console.store.directory import Directory
from clew_console.store.pool import SegmentReader
from clew_console.store.resource import ResourceRow

MAX_QUERY_SECONDS = 10.0
_CHECK_EVERY_INSTRUCTIONS = 20_000


class Deadline:
    """The end of the time a query may take, counted from when it was made."""

    def __init__(self, seconds: float = MAX_QUERY_SECONDS) -> None:
        self._at = time.monotonic() + seconds

    def is_over(self) -> bool:
        """Tell whether the time is over."""
        return time.monotonic() > self._at

    def check(self) -> None:
        """Stop the query when its time is over.

        Raises:
            sqlite3.OperationalError: "interrupted", as SQLite itself says it.
        """
        if self.is_over():
            raise sqlite3.OperationalError("interrupted")


def connections(directory: Directory, deadline: Deadline | None = None) -> Iterator[SegmentReader]:
    """Yield a reader of each segment, the newest first; each is to be used before the next is asked for.

    A segment that is deleted meanwhile, or whose schema is not committed yet, has nothing to say and is left out.
    Past 10 s for all together a query ends in `sqlite3.OperationalError: interrupted`.
    """
    deadline = deadline or Deadline()
    for segment in directory.segments():
        deadline.check()
        try:
            reader = directory.pool.take(segment)
        except sqlite3.OperationalError:
            if segment.path.exists():
                raise
            continue
        try:
            reader.connection.set_progress_handler(deadline.is_over, _CHECK_EVERY_INSTRUCTIONS)
            if reader.execute("PRAGMA user_version").fetchone()[0] > 0:
                yield reader
        finally:
            reader.connection.set_progress_handler(None, 0)
            directory.pool.give_back(reader)


def resources(reader: SegmentReader) -> dict[int, ResourceRow]:
    """Return all resources of the segment by id."""
    return reader.resources()
