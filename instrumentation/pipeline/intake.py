"""Hold what will become records of several signals: one append on the request path, all else later, many at a time.

In a running server each call between two requests finds the caches full of the service's own code and data: the same
work costs three times as much there as in a loop. So a request leaves its span here, and whoever needs the records
first makes them: the line writer 20 times a second, the flusher before it sends, a snapshot of the metrics.

The books stay exact: what waits here counts as waiting in each signal (`len()` of the deque), and it moves under the
ledger's lock, as in `pipeline/queue.py`.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from threading import Lock

from instrumentation.pipeline.ledger import Ledger
from instrumentation.pipeline.queue import Budget, RecordQueue, total
from instrumentation.signals.sink import Ended, Record

CHUNK = 64
"""Made at a time: after each the interpreter's lock is given up, so that no request waits for more than 0.5 ms."""
MOST_WAITING = 2048
"""While the memory bound is reached; who adds more makes some: 1.5 MiB, more than one second's of a busy service."""


class Intake:
    """What has ended and is still to become records.

    Args:
        ledger: Whose lock is held while something moves.
        budget: The memory bound; `Budget.start` is its way to wake the flusher.
        queues: Where the records go, in the order of `Ended.records`.
        wake: Called when something comes after a time of quiet, for whoever makes the records.
    """

    def __init__(self, ledger: Ledger, budget: Budget, queues: Sequence[RecordQueue], wake: Callable[[], None]) -> None:
        self._waiting: deque[Ended] = deque()
        self._append = self._waiting.append
        self._ledger = ledger
        self._budget = budget
        self._queues = tuple(queues)
        self._wake = wake
        self._is_quiet = True
        self._making = Lock()
        for queue in self._queues:
            queue.expect(self._waiting.__len__)
        ledger.after_fork(self._forget_parent)

    def waiting_bytes(self) -> int:
        """Count the memory of what waits. Any thread."""
        return total(ended.size for ended in self._waiting.copy())

    def add(self, ended: Ended) -> None:
        """Take what has ended and nobody changes any more. Any thread; never blocks.

        It is taken even if the memory bound is reached: its records will find no room then, but its line has a bound of
        its own, and what it adds to a metric must not be missing there.
        """
        budget = self._budget
        held = budget.held + ended.size
        if held > budget.line or self._is_quiet:
            self._add_slowly(ended, held)
            return
        budget.held = held
        self._append(ended)

    def _add_slowly(self, ended: Ended, held: int) -> None:
        budget = self._budget
        if budget.closed:
            for queue in self._queues:
                queue.refuse("shutdown")
            return
        budget.held = held
        self._append(ended)
        if held <= budget.max_bytes:
            budget.wake()
        elif len(self._waiting) > MOST_WAITING:
            self._help()
        if self._is_quiet:
            self._is_quiet = False
            self._wake()

    def _help(self) -> None:
        """Make some records, unless somebody is at it: those who should may be held up by their own receivers."""
        if self._making.acquire(blocking=False):
            try:
                self._make_some()
            finally:
                self._making.release()

    def make(self) -> bool:
        """Make records of all that waits now; return whether there was any. Any thread; waits for another at it."""
        self._is_quiet = True  # first: what comes from now on wakes somebody
        if not self._making.acquire(timeout=1.0):  # a signal handler may have interrupted its holder
            return False
        try:
            is_any = bool(self._waiting)
            while self._waiting:
                self._make_some()
                time.sleep(0)  # lets a request go first
            return is_any
        finally:
            self._making.release()

    def _make_some(self) -> None:
        with self._ledger.lock:
            taken = list(islice(self._waiting, CHUNK))
            for queue in self._queues:
                queue.hold(len(taken))
            for ended in taken:
                self._waiting.popleft()
                self._budget.held -= ended.size
        made: list[tuple[Record, ...]] = []
        for ended in taken:
            try:
                made.append(ended.records())
            except Exception:  # noqa: S112 counted below
                continue
        failed = len(taken) - len(made)
        with self._ledger.lock:
            for place, queue in enumerate(self._queues):
                queue.admit([records[place] for records in made], failed)

    def _forget_parent(self) -> None:
        """Let go of a forked child's copies, which the ledger has counted."""
        self._waiting.clear()
        self._is_quiet = True
        self._making = Lock()
