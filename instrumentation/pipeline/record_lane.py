"""Feed a lane from a queue: spans and log records."""

import time

from instrumentation.pipeline.batch import Batch
from instrumentation.pipeline.lane import MAX_BATCH_BYTES, Lane, Route
from instrumentation.pipeline.queue import RecordQueue


class RecordLane(Lane):
    """Takes a batch when one is full, and whatever there is every `flush_seconds`."""

    def __init__(self, route: Route, queue: RecordQueue) -> None:
        super().__init__(route)
        self.queue = queue
        self._flush_at = time.monotonic() + route.settings.flush_seconds

    def backlog(self) -> int:
        """Count the records that are still to be settled, those that wait too."""
        return super().backlog() + len(self.queue)

    def next_due(self) -> float:
        """Return the end of the running interval; now if a full batch waits."""
        return 0.0 if len(self.queue) >= self._limit else self._flush_at

    def held_bytes(self) -> int:
        """Count the memory of the pending batches and of what waits."""
        return super().held_bytes() + self.queue.waiting_bytes()

    def forget_parent(self) -> None:
        """Let go of a forked child's copies, those in the queue too."""
        super().forget_parent()
        self.queue.forget_parent()

    def abandon(self) -> None:
        """Count all that is left as dropped `shutdown`, what waits too."""
        self.queue.drop_all("shutdown")
        super().abandon()

    def refill(self, *, final: bool) -> None:
        """Take the oldest records."""
        now = time.monotonic()
        if not final and now < self.next_due():
            return
        records = self.queue.take(self._limit, MAX_BATCH_BYTES)
        if len(self.queue) < self._limit:
            self._flush_at = now + self.route.settings.flush_seconds
        if records:
            self._pending.append(Batch(records, len(records)))
