"""How far a long command is, on a terminal."""

import sys
import time
from types import TracebackType
from typing import Self

EVERY_SECONDS = 0.2
FIRST_SECONDS = 0.5
"""What is done sooner says nothing."""


class Progress:
    """A line on stderr that is written over; nothing where stderr is no terminal but the end of each ten seconds.

    Args:
        what: Is being done.
        total_bytes: In all; 0 where that is not known.
    """

    def __init__(self, what: str, total_bytes: int = 0) -> None:
        self._what = what
        self._total_bytes = total_bytes
        self._done_bytes = 0
        self._is_terminal = sys.stderr.isatty()
        self._every_seconds = EVERY_SECONDS if self._is_terminal else 10.0
        self._next_at = time.monotonic() + (FIRST_SECONDS if self._is_terminal else 10.0)
        self._has_written = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._has_written and self._is_terminal:
            sys.stderr.write("\r\x1b[K")

    def add(self, size_bytes: int) -> None:
        """Count what was done, and show it from time to time."""
        self._done_bytes += size_bytes
        if time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + self._every_seconds
            self._has_written = True
            sys.stderr.write(f"\r{self._text()}\x1b[K" if self._is_terminal else f"{self._text()}\n")
            sys.stderr.flush()

    def _text(self) -> str:
        done = f"{self._done_bytes / (1 << 20):.1f} MiB"
        if not self._total_bytes:
            return f"{self._what}: {done}"
        return (
            f"{self._what}: {done} of {self._total_bytes / (1 << 20):.1f}, {self._done_bytes / self._total_bytes:.0%}"
        )
