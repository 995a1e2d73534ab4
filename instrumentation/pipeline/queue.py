"""Hold encoded records until the flusher takes them: bounded in bytes, without a lock on the request path.

Why the count is exact without a lock. A record is in one of three places: the deque, `Account.held` or a settled count.
`deque.append`, `popleft` and `len` are single C calls, which the GIL makes atomic (free-threaded builds lock the deque
itself), so `len()` is the number waiting at that instant. Only `take` moves records out, and only under the ledger's
lock, which a snapshot holds too: it never sees a record between two places. Nothing counts on the request path, so no
increment can be lost there. The *byte* count is soft: `held += size` from two threads may lose one of the two, which is
corrected at every drain.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from sys import maxsize
from threading import Lock

from instrumentation.pipeline.doorbell import Doorbell
from instrumentation.pipeline.ledger import Account, Reason
from instrumentation.signals.sink import Encode, Parts, Record

RECORD_OVERHEAD_BYTES = 112
"""What a queued record costs beside its own bytes: the tuple 72, the bytes object's header 33, the deque's slot 8."""
MAX_RECORD_BYTES = 1024 * 1024
COUNTED_AT_ONCE = 512
"""Sizes added up before the interpreter's lock is given up: 30 us. At the memory bound 50 000 records wait."""

Waiting = Record | tuple[Encode, Parts, int]
"""A record, or what it is encoded from when it is taken, with its size in bytes."""


def _nothing() -> None:
    return


def total(sizes: Iterable[int]) -> int:
    """Add up the sizes of what waits, and let requests go between: in one go it may be 5 ms that they wait."""
    found, rest = 0, iter(sizes)
    while some := list(islice(rest, COUNTED_AT_ONCE)):
        found += sum(some)
        if len(some) == COUNTED_AT_ONCE:
            time.sleep(0)
    return found


class Budget:
    """The memory that all signals together may hold, and the bell that calls the flusher before it is used up.

    Attributes:
        held: Bytes held, softly counted; queues add, the flusher corrects.
        line: Beyond this many bytes `add` takes its slow path: -1 before the flusher's thread runs and after it has
            ended, `wake_bytes` while the bell may ring, else `max_bytes`.
        start: Starts the flusher's thread; called by the first `add`.
    """

    __slots__ = ("_closed", "_first", "bell", "held", "line", "max_bytes", "start", "wake_bytes")

    def __init__(self, max_bytes: int = 16 * MAX_RECORD_BYTES, wake_bytes: int | None = None) -> None:
        self.max_bytes = max_bytes
        self.wake_bytes = max_bytes // 16 if wake_bytes is None else wake_bytes
        self.start: Callable[[], None] = _nothing
        self.reset()

    @property
    def closed(self) -> bool:
        """Whether the pipeline has shut down."""
        return self._closed

    def wake(self) -> None:
        """Start the flusher if need be; ring its bell, once until `rearm`, if a wake's worth is held."""
        if self._first.acquire(blocking=False):  # never released: of many threads exactly one starts the flusher
            self.line = self.wake_bytes
            self.start()
        if self.held > self.line:
            self.line = self.max_bytes
            self.bell.ring()

    def rearm(self, held: int) -> None:
        """Correct the byte count, and let the bell ring again if no more than a wake's worth is held."""
        self.held = held
        if self._first.locked() and not self._closed:
            self.line = self.wake_bytes if held <= self.wake_bytes else self.max_bytes

    def close(self) -> None:
        """Refuse all further records, as `shutdown`."""
        self._closed = True
        self.line = -1

    def reset(self) -> None:
        """Begin, in a new process or a forked child: nothing held, a new bell, the thread not started."""
        self.bell = Doorbell()
        self.held = 0
        self.line = -1
        self._first = Lock()
        self._closed = False


class RecordQueue:
    """Records of one signal that wait to be sent. When there is no room the newest is dropped and counted.

    Args:
        account: Where drops and waiting records are counted.
        budget: The memory bound, shared by all signals.
        max_records: Most records that wait, beside the memory bound; None for no such bound.
    """

    __slots__ = ("_account", "_append", "_budget", "_max_records", "_records")

    def __init__(self, account: Account, budget: Budget, max_records: int | None = None) -> None:
        self._records: deque[Waiting] = deque()
        self._append = self._records.append
        self._account = account
        self._budget = budget
        self._max_records = maxsize if max_records is None else max_records
        account.waiting = self._records.__len__

    def __len__(self) -> int:
        return len(self._records)

    def add(self, scope: bytes, record: bytes) -> None:
        """Queue one encoded record; drop it if it is over 1 MiB or there is no room. Any thread; never blocks.

        Measured: 0.22 µs, of which 0.065 are the append of a new tuple.
        """
        budget = self._budget
        held = budget.held + len(record) + 112  # RECORD_OVERHEAD_BYTES; a constant, as a global costs a look-up
        if held > budget.line or len(self._records) >= self._max_records or len(record) > 1_048_576:
            self._add_slowly((scope, record), len(record), held)
            return
        budget.held = held
        self._append((scope, record))

    def defer(self, encode: Encode, parts: Parts, size: int) -> None:
        """Queue one record that is encoded when it is taken; drop it if there is no room. Any thread; never blocks."""
        budget = self._budget
        held = budget.held + size
        if held > budget.line or len(self._records) >= self._max_records or size > 1_048_576:
            self._add_slowly((encode, parts, size), size, held)
            return
        budget.held = held
        self._append((encode, parts, size))

    def _add_slowly(self, waiting: Waiting, size: int, held: int) -> None:
        reason = self._refusal(size, held)
        if reason:
            self._account.drop(reason)
            return
        self._budget.held = held
        self._append(waiting)
        self._budget.wake()

    def _refusal(self, size: int, held: int) -> Reason | None:
        if size > MAX_RECORD_BYTES:
            return "too_big"
        if self._budget.closed:
            return "shutdown"
        full = held > self._budget.max_bytes or len(self._records) >= self._max_records
        return "queue_full" if full else None

    def take(self, max_records: int, max_bytes: int) -> list[Record]:
        """Move the oldest records into the account's `held`, at least one if there is any.

        Call from the flusher's thread alone.

        Args:
            max_records: Most records to take.
            max_bytes: Most bytes of records to take; a single larger record comes by itself.
        """
        records = self._records
        taken: list[Waiting] = []
        size = 0
        with self._account.lock:
            for _ in range(min(len(records), max_records)):
                waiting = records[0]
                size += waiting[2] if len(waiting) == 3 else len(waiting[1]) + 112  # `_size`; a call would cost as much
                if size > max_bytes and taken:
                    break
                taken.append(records.popleft())
            self._account.held += len(taken)
        return self._encoded(taken)

    def expect(self, waiting: Callable[[], int]) -> None:
        """Count what waits elsewhere to become a record here; see `Intake`."""
        before = self._account.waiting
        self._account.waiting = lambda: before() + waiting()

    def refuse(self, reason: Reason) -> None:
        """Count a record that found no room elsewhere."""
        self._account.drop(reason)

    def hold(self, records: int) -> None:
        """Count records that have left where they waited and are being made. Call with the ledger's lock held."""
        if self._account.is_closed:
            self._account.dropped["shutdown"] += records
        else:
            self._account.held += records

    def admit(self, records: list[Record], failed: int) -> None:
        """Queue what `hold` has counted, as far as there is room; `failed`: how many of them could not be made.

        Call with the ledger's lock held. After `abandon` all are counted already.
        """
        account, budget = self._account, self._budget
        if account.is_closed:
            return
        account.held -= len(records) + failed
        account.dropped["encode_error"] += failed
        held = budget.held
        for waiting in records:
            size = len(waiting[1]) + 112
            if size > MAX_RECORD_BYTES or held + size > budget.max_bytes or len(self._records) >= self._max_records:
                account.dropped["too_big" if size > MAX_RECORD_BYTES else "queue_full"] += 1
                continue
            held += size
            self._append(waiting)
        budget.held = held

    def _encoded(self, taken: list[Waiting]) -> list[Record]:
        """Encode what was deferred; what cannot be encoded is dropped by itself."""
        records: list[Record] = []
        for waiting in taken:
            if len(waiting) == 2:
                records.append(waiting)
                continue
            try:
                records.append(waiting[0](waiting[1]))
            except Exception:
                self._account.settle(0, "encode_error", 1)
        return records

    def waiting_bytes(self) -> int:
        """Count the memory of what waits. Any thread."""
        return total(map(_size, self._records.copy()))

    def drop_all(self, reason: Reason) -> int:
        """Drop whatever waits, counted as `reason`. Return how many."""
        with self._account.lock:
            dropped = len(self._records)
            for _ in range(dropped):
                self._records.popleft()
            self._account.dropped[reason] += dropped
        return dropped

    def forget_parent(self) -> None:
        """Let go of a forked child's copies; `Ledger.forget_parent` has counted them."""
        self._records.clear()


def _size(waiting: Waiting) -> int:
    return waiting[2] if len(waiting) == 3 else len(waiting[1]) + RECORD_OVERHEAD_BYTES
