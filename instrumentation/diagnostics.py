"""Write the kit's own lines to stderr: never through logging, seldom, and never waiting for a reader."""

import os
import select
import sys
import time
from collections.abc import Callable

REPEAT_SECONDS = 60.0
"""Least time between two lines of one key."""
_RANKS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50, "none": 100}


def write_stderr(line: bytes) -> None:
    """Write to file descriptor 2, or not at all if that would block or fail."""
    if sys.__stderr__ is None:
        return  # closed at the start: its number has become some other file's or socket's
    try:
        poll = select.poll()
        poll.register(2, select.POLLOUT)
        if any(event & select.POLLOUT for _, event in poll.poll(0)):
            os.write(2, line)
    except OSError:
        return


class Diagnostics:
    """Lines about the kit itself, at most one per key and minute.

    Args:
        level: Least level written: debug, info, warning, error, critical or none.
        write: Takes a line; must neither block nor raise.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        level: str = "info",
        write: Callable[[bytes], None] = write_stderr,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rank = _RANKS[level]
        self._write = write
        self._clock = clock
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def line(self, key: str, message: str, level: str = "warning") -> None:
        """Write `clew: message`, unless a line of the same key was written less than a minute ago."""
        if _RANKS[level] < self._rank:
            return
        now = self._clock()
        if now - self._last.get(key, -REPEAT_SECONDS) < REPEAT_SECONDS:
            self._left_out[key] = self._left_out.get(key, 0) + 1
            return
        self._last[key] = now
        left_out = self._left_out.pop(key, 0)
        self.always(f"{message} ({left_out} more like it before)" if left_out else message)

    def always(self, message: str) -> None:
        """Write a line whatever was written before, with control characters escaped."""
        if self._rank < _RANKS["none"]:
            safe = "".join(
                c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in message
            )
            self._write(f"clew: {safe[:1000]}\n".encode(errors="backslashreplace"))
