"""Feed a lane by collecting metrics.

Metrics are cumulative, so a newer value stands for all older ones: at most one collection is pending, and a new one
takes its place. In the ledger a point that waits is one point, however often it is refreshed; points that the newer
collection has no more of are dropped as `timeout`, so that `accepted` never falls.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from instrumentation.pipeline.batch import from_scopes
from instrumentation.pipeline.lane import Lane, Route

Collect = Callable[[], tuple[Mapping[bytes, Sequence[bytes]], int]]
"""Returns Metric messages by scope, and how many points they hold. Called in the flusher's thread."""


class MetricLane(Lane):
    """Collects every `interval_seconds`, the first time one interval after the start."""

    def __init__(self, route: Route, collect: Collect, interval_seconds: float) -> None:
        super().__init__(route)
        self._collect = collect
        self._interval = interval_seconds
        self._collect_at = time.monotonic() + interval_seconds

    def next_due(self) -> float:
        """Return when the next collection is due."""
        return self._collect_at

    def forget_parent(self) -> None:
        """Let go of a forked child's copy, and begin a new interval."""
        super().forget_parent()
        self._collect_at = time.monotonic() + self._interval

    def refill(self, *, final: bool) -> None:
        """Collect if it is time. A final flush collects by `refresh`, once."""
        if not final and time.monotonic() >= self._collect_at:
            self.refresh()

    def advance(self, deadline: float, *, final: bool = False) -> bool:
        """Make one attempt if one is due, with the newest values."""
        if self._pending and time.monotonic() >= self._collect_at:
            self.refresh()
        return super().advance(deadline, final=final)

    def refresh(self) -> None:
        """Collect now, in place of what is pending."""
        self._collect_at = time.monotonic() + self._interval
        try:
            groups, points = self._collect()
        except Exception as error:
            self._say("cannot be collected", type(error).__name__)
            self.route.account.drop("encode_error")
            return
        self._replace(groups, points)

    def _replace(self, groups: Mapping[bytes, Sequence[bytes]], points: int) -> None:
        waiting = sum(batch.count for batch in self._pending)
        batch = from_scopes(groups, points)
        if self._pending:
            batch.give_up_at, batch.attempts = self._pending[0].give_up_at, self._pending[0].attempts
        self._pending.clear()
        self.route.account.hold(max(0, points - waiting))
        self.route.account.settle(0, "timeout", max(0, waiting - points))
        if batch.records:
            self._pending.append(batch)
