"""Feed a lane from a spool: spans and log records that survive the process.

A thread moves what waits in the queue to disk every `flush_seconds`, whatever the receiver does, so that a process
that is killed loses what one interval brought. The lane sends from disk, and forgets a batch there once it is
delivered or refused. While no disk takes it, the lane sends from memory, as without a spool.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from math import inf
from threading import Event, Lock, Thread

from typing_extensions import override

from instrumentation.pipeline.batch import Batch
from instrumentation.pipeline.lane import MAX_BATCH_BYTES, Route
from instrumentation.pipeline.queue import RecordQueue
from instrumentation.pipeline.record_lane import RecordLane
from instrumentation.pipeline.spool import Spool

_WAIT_SECONDS = 0.5
"""Longest time that the end of the process waits for a disk that is stuck."""

EncodeFor = Callable[[bytes, Mapping[bytes, Sequence[bytes]]], bytes]
"""Makes an export request of a resource and records by scope."""


class SpoolLane(RecordLane):
    """Takes batches from the spool, never giving one up that is there.

    Args:
        route: As of every lane.
        queue: Where records are added.
        spool: Where they are kept.
        resource: Returns this process' encoded resource.
        encode: Makes a request of a batch and the resource that it was spooled with.
    """

    def __init__(
        self, route: Route, queue: RecordQueue, spool: Spool, resource: Callable[[], bytes], encode: EncodeFor
    ) -> None:
        super().__init__(route, queue)
        self._spool = spool
        self._resource = resource
        self._encode_for = encode
        self._begin()

    def _begin(self) -> None:
        self._sweeping = Lock()
        self._stop = Event()
        self._thread: Thread | None = None
        self._refused: deque[Batch] = deque()
        self._is_loaded = False

    @override
    def next_due(self) -> float:
        return 0.0 if self._spool.unread else super().next_due()

    @override
    def backlog(self) -> int:
        return super().backlog() + self._spool.unread + sum(batch.count for batch in self._refused)

    @override
    def held_bytes(self) -> int:
        return super().held_bytes() + sum(batch.held_bytes() for batch in self._refused)

    @override
    def forget_parent(self) -> None:
        super().forget_parent()
        self._spool.forget_parent()
        self._begin()

    @override
    def refill(self, *, final: bool) -> None:
        """Load the oldest batch of the spool; what no disk takes goes from memory."""
        now = time.monotonic()
        if not final and now < self.next_due():
            return
        if self._thread is None:
            self._thread = Thread(target=self._run, args=(self._stop,), name="clew-spool", daemon=True)
            self._thread.start()
        if final or not self._spool.unread:
            self._sweep()
        self._flush_at = now + self.route.settings.flush_seconds
        if not final:  # also while there is much to do: a service that is never idle must take over as well
            self.route.account.hold(self._spool.adopt())
        spooled = self._spool.read()
        if spooled is not None:
            self._is_loaded = True
            self._pending.append(Batch(spooled.records, len(spooled.records), inf, resource=spooled.resource))
        elif self._refused:
            with self._sweeping:
                self._pending.extend(self._refused)
                self._refused.clear()
        else:
            self.route.account.hold(self._spool.adopt())

    @override
    def advance(self, deadline: float, *, final: bool = False) -> bool:
        has_settled = super().advance(deadline, final=final)
        if self._is_loaded and not self._pending:
            self._is_loaded = False
            self._spool.acknowledge()
        return has_settled

    @override
    def abandon(self) -> None:
        """Spool what is left, and count what no disk takes as dropped `shutdown`; the rest stays queued."""
        self._stop.set()
        if self._sweeping.acquire(timeout=_WAIT_SECONDS):
            try:
                self._move()
            finally:
                self._sweeping.release()
        self.queue.drop_all("shutdown")
        self.route.account.abandon(kept=self._spool.unread + self._spool.loaded)
        self._spool.close()

    @override
    def encoded(self, batch: Batch) -> bytes:
        return self._encode_for(batch.resource or self._resource(), batch.by_scope())

    def _run(self, stop: Event) -> None:
        while not stop.wait(self.route.settings.flush_seconds):
            try:
                self._sweep()
            except Exception as error:
                self.route.diagnostics.line("spool", f"{self.route.signal}: {type(error).__name__}: {error}", "error")

    def _sweep(self) -> None:
        with self._sweeping:
            self._move()

    def _move(self) -> None:
        """Move what waits to the spool, until the disk refuses."""
        while not self._stop.is_set() or self.queue or self._refused:
            if not self._refused:
                records = self.queue.take(self.route.settings.batch_records, MAX_BATCH_BYTES)
                if not records:
                    return
                self._refused.append(Batch(records, len(records)))
            if not self._spool.append(self._resource(), self._refused[0].records):
                return
            self._refused.popleft()
