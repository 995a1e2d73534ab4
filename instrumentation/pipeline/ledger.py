"""Count what became of every record, so that `accepted = delivered + queued + dropped` holds at any moment.

`accepted` is everything offered to a signal. It is not counted on the request path but is what the parts add up to: a
record is in exactly one of them. Records that wait are counted by `len()` of their queue, all others under one lock.
"""

import os
import weakref
from collections.abc import Callable, Mapping
from threading import RLock
from typing import Any, Literal, NamedTuple, get_args

Reason = Literal["queue_full", "too_big", "encode_error", "rejected", "timeout", "shutdown", "disk_full", "fork"]
"""Why a record was dropped.

`queue_full`: no room in the memory bound. `too_big`: over 1 MiB, or refused with 413 by itself. `encode_error`: could
not be put into a request. `rejected`: the receiver refused it for good. `timeout`: not delivered within the retry time.
`shutdown`: not delivered by the last deadline. `disk_full`: the line could not be written (disk full, reader gone).
`fork`: inherited by a forked child; not a loss, as the parent keeps and sends its own copy.
"""
REASONS: tuple[Reason, ...] = get_args(Reason)


class SignalBooks(NamedTuple):
    """Records of one signal since the process started."""

    accepted: int
    delivered: int
    queued: int
    dropped: Mapping[Reason, int]

    @property
    def inherited(self) -> int:
        """Records of a parent process, which sends them itself."""
        return self.dropped["fork"]

    def text(self) -> str:
        """Return the books as a sum, without what is 0."""
        parts = {"delivered": self.delivered, "queued": self.queued, **self.dropped}
        return f"{self.accepted} = " + " + ".join(f"{count} {name}" for name, count in parts.items() if count)


class Books(NamedTuple):
    """Records of all signals, taken at one moment."""

    signals: Mapping[str, SignalBooks]

    def as_dict(self) -> dict[str, Any]:
        """Return plain dicts by signal, as JSON takes them."""
        return {signal: books._asdict() for signal, books in self.signals.items()}

    def losses(self) -> str:
        """Say what became of all records, for people; nothing if all were delivered."""
        told = [f"{signal} {books.text()}" for signal, books in self.signals.items() if books.accepted]
        lost = [books for books in self.signals.values() if books.accepted - books.inherited > books.delivered]
        return "; ".join(told) if lost else ""


def _nothing() -> int:
    return 0


class Account:
    """Counts of one signal. Every change is made under `lock`, which the whole ledger shares.

    Attributes:
        lock: Reentrant, because a finalizer or signal handler that logs may interrupt its holder.
        held: Records taken from the queue and not yet settled; changed by the thread that sends them.
        waiting: Returns the number of records in the queue.
    """

    __slots__ = ("_closed", "delivered", "dropped", "held", "lock", "waiting")

    def __init__(self, lock: RLock) -> None:  # pyright: ignore[reportGeneralTypeIssues]
        self.lock = lock
        self.waiting: Callable[[], int] = _nothing
        self.clear()

    def clear(self) -> None:
        """Start again from nothing."""
        self.delivered = 0
        self.held = 0
        self._closed = False
        self.dropped: dict[Reason, int] = dict.fromkeys(REASONS, 0)

    @property
    def is_closed(self) -> bool:
        """Whether all that was held is counted as dropped `shutdown`."""
        return self._closed

    def drop(self, reason: Reason, records: int = 1) -> None:
        """Count records that never were held."""
        with self.lock:
            self.dropped[reason] += records

    def settle(self, delivered: int, reason: Reason = "rejected", dropped: int = 0) -> None:
        """Move held records to delivered and dropped. After `abandon` they are counted already."""
        with self.lock:
            if self._closed:
                return
            self.held -= delivered + dropped
            self.delivered += delivered
            self.dropped[reason] += dropped

    def hold(self, records: int) -> None:
        """Count records that were taken from no queue."""
        with self.lock:
            self.held += 0 if self._closed else records

    def abandon(self, kept: int = 0) -> None:
        """Count what is held as dropped `shutdown`, for good: a sender that is stuck may come back later.

        Args:
            kept: Records of those held that outlive the process, and stay queued.
        """
        with self.lock:
            kept = min(kept, self.held)
            self.dropped["shutdown"] += self.held - kept
            self.held = kept
            self._closed = True

    def lost(self) -> int:
        """Count the records lost, whatever the reason; `fork` is no loss."""
        with self.lock:
            return sum(self.dropped.values()) - self.dropped["fork"]

    def books(self) -> SignalBooks:
        """Return the counts; exact, as no record moves while the lock is held but into the queue."""
        with self.lock:
            queued = self.held + self.waiting()
            dropped = dict(self.dropped)
            return SignalBooks(self.delivered + queued + sum(dropped.values()), self.delivered, queued, dropped)


class Ledger:
    """The accounts of one process, by signal: `traces`, `logs`, `metrics`, `lines`."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._accounts: dict[str, Account] = {}
        self._heirs: list[Callable[[], None]] = []
        os.register_at_fork(after_in_child=_forked(weakref.ref(self)))

    @property
    def lock(self) -> RLock:  # pyright: ignore[reportGeneralTypeIssues]
        """What all accounts are changed under; another one in a forked child."""
        return self._lock

    def after_fork(self, begin_anew: Callable[[], None]) -> None:
        """Call `begin_anew` in each forked child, once the inherited records are counted."""
        self._heirs.append(begin_anew)

    def account(self, signal: str) -> Account:
        """Return the signal's account, opened on first use."""
        with self._lock:
            return self._accounts.setdefault(signal, Account(self._lock))

    def snapshot(self) -> Books:
        """Return all counts of one moment."""
        with self._lock:
            return Books({signal: account.books() for signal, account in self._accounts.items()})

    def forget_parent(self) -> None:
        """Start a forked child's books: a new lock, and nothing but what it inherited, counted as dropped `fork`."""
        self._lock = RLock()
        for account in self._accounts.values():
            account.lock = self._lock
            inherited = account.held + account.waiting()
            account.clear()
            account.dropped["fork"] = inherited
        for begin_anew in self._heirs:
            begin_anew()


def _forked(reference: "weakref.ref[Ledger]") -> Callable[[], None]:
    """Return a fork hook that does not keep its ledger alive."""

    def after_in_child() -> None:
        ledger = reference()
        if ledger is not None:
            ledger.forget_parent()

    return after_in_child
