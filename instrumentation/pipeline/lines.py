"""Write log lines in a thread of their own: a reader of stdout that is stuck stops neither requests nor the flusher."""

import errno
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from threading import Event, Thread

from instrumentation.pipeline.doorbell import Doorbell
from instrumentation.pipeline.ledger import Ledger, Reason
from instrumentation.pipeline.queue import Budget, RecordQueue
from instrumentation.signals.sink import Record

MAX_BYTES = 4 * 1024 * 1024
"""Memory for lines that wait, beside the 16 MiB of the signals: a stuck pipe must not take their room."""
MAX_WRITE_BYTES = 256 * 1024
_AFTER_WAITING: tuple[Reason, ...] = ("encode_error", "rejected", "disk_full", "shutdown")
_LINE_BREAK = 10
GATHER_SECONDS = 0.05
"""How long a first line waits for others: one write for many lines, and no delay a person would see."""


def _nothing() -> bool:
    return False


class LineWriter:
    """Lines on their way to a stream, counted in the ledger as signal `lines`. At most 4 MiB wait; beyond, they drop.

    The thread sleeps while there are no lines and starts with the first one.

    Args:
        ledger: Where lines are counted.
        write: Writes bytes and returns how many were taken (None: all), as streams do. Default: to file descriptor 1.

    Attributes:
        queue: Where lines wait.
        gather: Brings lines of JSON that are still to be made; called before lines are taken. Returns whether it did.
    """

    def __init__(self, ledger: Ledger, write: Callable[[bytes], int | None] | None = None) -> None:
        self._account = ledger.account("lines")
        self._budget = Budget(MAX_BYTES, wake_bytes=0)
        self.queue = RecordQueue(self._account, self._budget)
        self.write: Callable[[bytes], None] = partial(self.queue.add, b"")
        """Queues one line, its newline included. Any thread; never blocks or raises."""
        self.defer = self.queue.defer
        """Queues one line that is rendered when it is written, as a record of no scope. As `write`."""
        self._write = write or (partial(os.write, 1) if sys.__stdout__ is not None else _refuse)
        self._budget.start = self._start
        self.gather: Callable[[], bool] = _nothing
        self._hurry = Doorbell()
        self._empty = Event()
        self._closed = False
        self._is_torn = False
        self._thread: Thread | None = None
        ledger.after_fork(self._forget_parent)

    def wake(self) -> None:
        """Tell that there is something to gather."""
        self._budget.wake()
        self._budget.bell.ring()

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until the lines written so far are out. Return whether they were within `timeout_seconds`."""
        goal = self._settled() + self._account.books().queued
        deadline = time.monotonic() + timeout_seconds
        while self._settled() < goal:
            left = deadline - time.monotonic()
            if left <= 0 or self._thread is None:
                return False
            self._empty.clear()
            self._hurry.ring()
            self._budget.bell.ring()
            self._empty.wait(min(left, 0.05))
        return True

    def shutdown(self, timeout_seconds: float) -> bool:
        """Flush, then refuse further lines; count what is left as dropped `shutdown`. May be called again."""
        if self._closed:
            return not self.queue
        complete = self.flush(timeout_seconds)
        self._closed = True
        self._budget.close()
        self.queue.drop_all("shutdown")
        self._account.abandon()
        self._budget.bell.ring()
        return complete

    def _settled(self) -> int:
        books = self._account.books()
        return books.delivered + sum(books.dropped[reason] for reason in _AFTER_WAITING)

    def _start(self) -> None:
        self._thread = Thread(target=self._run, name="clew-lines", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no threads left, or the interpreter is ending: shutdown counts the lines
            self._thread = None

    def _run(self) -> None:
        while not self._closed:
            self._budget.bell.wait(5.0)
            self._hurry.wait(GATHER_SECONDS)
            is_mixed = self.gather()
            while taken := self.queue.take(4096, MAX_WRITE_BYTES):
                if is_mixed:
                    taken.sort()  # JSON begins with the timestamp: what was gathered joins what was written
                self._budget.held = self.queue.waiting_bytes()
                self._write_all(taken)
                self._empty.set()
            self._budget.rearm(0)
            if self.queue:  # added before the bell was armed again
                self._budget.bell.ring()

    def _write_all(self, taken: list[Record]) -> None:
        """Write lines; on failure those that are not wholly out are dropped, and the next write is tried afresh."""
        torn = b"\n" if self._is_torn else b""  # what is left of a line must not take the next one with it
        data = memoryview(torn + b"".join([line for _, line in taken]))
        written = 0
        reason: Reason = "rejected"
        try:
            while written < len(data) and not self._closed:
                written += self._some(data[written:])
        except OSError:
            reason = "disk_full"
        except Exception:
            reason = "rejected"
        if written:
            self._is_torn = data[written - 1] != _LINE_BREAK
        out = len(taken) if written == len(data) else _whole_lines(taken, written - len(torn))
        self._account.settle(out, reason, len(taken) - out)

    def _some(self, data: memoryview) -> int:
        try:
            count = self._write(bytes(data))
        except BlockingIOError as error:  # a pipe that someone made non-blocking is full
            time.sleep(0.02)
            return error.characters_written if hasattr(error, "characters_written") else 0
        return len(data) if count is None else count

    def _forget_parent(self) -> None:
        self.queue.forget_parent()
        self._budget.reset()
        self._closed = False
        self._hurry, self._empty = Doorbell(), Event()
        self._thread = None


def _refuse(_data: bytes) -> int:
    """Stand in for a stdout that was closed at the start: its number has become some other file's or socket's."""
    raise OSError(errno.EBADF, "stdout is closed")


def _whole_lines(taken: list[Record], written: int) -> int:
    """Count the lines that lie within the first `written` bytes."""
    for place, (_, line) in enumerate(taken):
        written -= len(line)
        if written < 0:
            return place
    return len(taken)
