"""Bring one signal's records to its exporter: batch, encode, try, wait, halve, settle.

A lane is used by the flusher's thread alone.
"""

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from instrumentation.diagnostics import Diagnostics
from instrumentation.pipeline.backoff import delay_seconds
from instrumentation.pipeline.batch import Batch
from instrumentation.pipeline.ledger import Account, Reason
from instrumentation.pipeline.loss import LossWatch
from instrumentation.settings import SignalSettings
from instrumentation.signals.delivery import Exporter, Outcome, Verdict

MAX_BATCH_BYTES = 4 * 1024 * 1024
"""Most bytes of records in one request; receivers commonly take 4 to 20 MiB."""

REFUSED_SECONDS = 1.0
"""So long nobody may listen at the receiver's address before a process that ends waits for it no longer."""

Encode = Callable[[Mapping[bytes, Sequence[bytes]]], bytes]
"""Makes an export request of records by scope, under the process's resource."""


class Route(NamedTuple):
    """What one signal's lane needs: whose records, where to, how."""

    signal: str
    account: Account
    exporter: Exporter
    encode: Encode
    settings: SignalSettings
    diagnostics: Diagnostics


class Lane(ABC):
    """The way of one signal: one batch is tried at a time, the oldest first.

    While the receiver is down the lane waits between attempts of that one batch, so that an outage costs one request
    every few seconds, whatever waits behind.

    Attributes:
        settled: Records of this lane that were delivered or dropped after they had been taken.
        not_before: `time.monotonic()` value of the next attempt, while the lane backs off.
    """

    def __init__(self, route: Route) -> None:
        self.route = route
        self.settled = 0
        self._loss = LossWatch(route.signal, route.account, route.diagnostics)
        self._pending: deque[Batch] = deque()
        self._limit = route.settings.batch_records
        self.not_before = 0.0
        self._asked_to_wait = False
        self._refused_since: float | None = None
        self._tried_at = 0.0

    @abstractmethod
    def refill(self, *, final: bool) -> None:
        """Make a batch pending if there is one; `final`: without waiting for an interval or a full batch."""

    @abstractmethod
    def next_due(self) -> float:
        """Return when a new batch may be ready, as a `time.monotonic()` value."""

    def due(self) -> float:
        """Return when the lane next has something to do, as a `time.monotonic()` value."""
        return self.not_before if self._pending else max(self.not_before, self.next_due())

    def backlog(self) -> int:
        """Count the records that are still to be settled."""
        return sum(batch.count for batch in self._pending)

    def held_bytes(self) -> int:
        """Count the memory of the pending batches."""
        return sum(batch.held_bytes() for batch in self._pending)

    def hasten(self) -> None:
        """Try again at once, unless the receiver asked to be left alone."""
        if not self._asked_to_wait:
            self.not_before = 0.0

    def is_hopeless(self, since: float) -> bool:
        """Tell whether nobody has listened for a second or longer, by an attempt after `since`."""
        refused_since = self._refused_since
        return (
            refused_since is not None
            and self._tried_at >= since
            and time.monotonic() - refused_since >= REFUSED_SECONDS
        )

    def forget_parent(self) -> None:
        """Let go of a forked child's copies."""
        self._pending.clear()
        self.not_before = 0.0
        self._loss = LossWatch(self.route.signal, self.route.account, self.route.diagnostics)

    def encoded(self, batch: Batch) -> bytes:
        """Return the request of a batch."""
        return self.route.encode(batch.by_scope())

    def watch(self) -> None:
        """Write the lines on the start and the end of loss."""
        self._loss.look()

    def advance(self, deadline: float, *, final: bool = False) -> bool:
        """Make one attempt if one is due. Return whether it settled a batch.

        Args:
            deadline: Bounds the attempt beside the exporter's own timeout; a `time.monotonic()` value.
            final: Send what there is, without waiting for an interval or a full batch.
        """
        if time.monotonic() < self.not_before:
            return False
        if not self._pending:
            self.refill(final=final)
        if not self._pending:
            return False
        batch = self._pending.popleft()
        self._pending.extendleft(reversed(self._try(batch, deadline)))
        return not (self._pending and self._pending[0] is batch)

    def abandon(self) -> None:
        """Count all that is left as dropped `shutdown`. Called by the thread that shuts down, for good."""
        self.route.account.abandon()

    def _try(self, batch: Batch, deadline: float) -> Sequence[Batch]:
        """Attempt a batch. Return what is left to be tried."""
        try:
            body = self.encoded(batch)
        except Exception as error:
            self._say("cannot be encoded", type(error).__name__)
            return self._halve(batch, "encode_error")
        now = time.monotonic()
        if batch.give_up_at is None:
            batch.give_up_at = now + self.route.settings.retry_seconds
        outcome = self._export(body, min(deadline, now + self.route.settings.timeout_seconds))
        match outcome.verdict:
            case Verdict.DELIVERED:
                return self._delivered(batch, outcome)
            case Verdict.RETRYABLE:
                return self._later(batch, outcome)
            case Verdict.TOO_LARGE:
                self._limit = max(1, len(batch.records) // 2)
                return self._halve(batch, "too_big")
            case Verdict.FAILED:
                self._say("refused", outcome.reason)
                return self._drop(batch, "rejected")

    def _export(self, body: bytes, deadline: float) -> Outcome:
        self._tried_at = time.monotonic()
        try:
            outcome = self.route.exporter.export(body, deadline)
        except Exception as error:
            outcome = Outcome(Verdict.FAILED, reason=f"the exporter raised {type(error).__name__}: {error}")
        if not outcome.refused:
            self._refused_since = None
        elif self._refused_since is None:
            self._refused_since = self._tried_at
        return outcome

    def _delivered(self, batch: Batch, outcome: Outcome) -> Sequence[Batch]:
        rejected = min(max(outcome.rejected, 0), batch.count)
        if rejected:
            self._say("rejected in part", outcome.reason)
        self.route.account.settle(batch.count - rejected, "rejected", rejected)
        self.settled += batch.count
        self._asked_to_wait = False
        self._limit = min(self.route.settings.batch_records, self._limit + max(1, self._limit // 8))
        return ()

    def _later(self, batch: Batch, outcome: Outcome) -> Sequence[Batch]:
        batch.attempts += 1
        now = time.monotonic()
        self._asked_to_wait = outcome.retry_after_seconds is not None
        self.not_before = now + delay_seconds(batch.attempts, outcome.retry_after_seconds)
        self._say("not delivered, will be tried again", outcome.reason)
        if batch.give_up_at is not None and self.not_before > batch.give_up_at:
            return self._drop(batch, "timeout")
        return (batch,)

    def _halve(self, batch: Batch, reason: Reason) -> Sequence[Batch]:
        return batch.halves() if len(batch.records) > 1 else self._drop(batch, reason)

    def _drop(self, batch: Batch, reason: Reason) -> Sequence[Batch]:
        self.route.account.settle(0, reason, batch.count)
        self.settled += batch.count
        return ()

    def _say(self, what: str, why: str) -> None:
        self.route.diagnostics.line(f"{self.route.signal} {what}", f"{self.route.signal}: {what}: {why}")
