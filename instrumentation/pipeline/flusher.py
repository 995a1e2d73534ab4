"""Drive all lanes from one daemon thread: on an interval, when rung, and once more at the end.

The thread starts with the first record, or by `start()`. Everything that blocks (encoding, name resolution, sockets)
happens in it, with instrumentation suppressed, so that the kit does not trace its own exports.
"""

import time
from collections import deque
from collections.abc import Sequence
from math import inf
from threading import Event, Lock, Thread

from opentelemetry import context
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY  # pyright: ignore[reportPrivateUsage] no public name

from instrumentation.diagnostics import Diagnostics
from instrumentation.pipeline.intake import Intake
from instrumentation.pipeline.lane import Lane
from instrumentation.pipeline.ledger import Ledger
from instrumentation.pipeline.metric_lane import MetricLane
from instrumentation.pipeline.queue import Budget

LONGEST_SLEEP_SECONDS = 5.0
"""Bounds every sleep, so that a clock that jumps or a lane that errs cannot put the thread to sleep for good."""

ROUNDS_PER_CORRECTION = 8
"""While batches go out one after the other: the correction looks at every record that waits."""


class _Drain:
    """A request to send everything by a deadline, and its answer; one that is `leaving` gives up who is not there."""

    def __init__(self, deadline: float, *, last: bool, leaving: bool = False) -> None:
        self.deadline = deadline
        self.last = last
        self.leaving = leaving or last
        self.begun = Event()
        self.done = Event()
        self.complete = False


class Flusher:
    """Sends what the lanes hold.

    Args:
        lanes: One per signal.
        budget: The memory bound and bell that the lanes' queues share.
        ledger: The books; tells when this is a forked child.
        diagnostics: Where failures are told.
        intakes: What becomes records of the lanes.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        budget: Budget,
        ledger: Ledger,
        diagnostics: Diagnostics,
        intakes: Sequence[Intake] = (),
    ) -> None:
        self._lanes = tuple(lanes)
        self._intakes = tuple(intakes)
        self._rounds = 0
        self._budget = budget
        self._diagnostics = diagnostics
        self._drains: deque[_Drain] = deque()
        self._thread: Thread | None = None
        self._starting = Lock()
        self._last: _Drain | None = None
        budget.start = self.start
        ledger.after_fork(self._forget_parent)

    def start(self) -> None:
        """Start the thread if it does not run. Any thread; never raises."""
        if not self._starting.acquire(blocking=False):
            return  # another thread is at it, or this one in a signal handler
        try:
            if self._last is None and not (self._thread and self._thread.is_alive()):
                thread = Thread(target=self._run, name="clew-flusher", daemon=True)
                thread.start()
                self._thread = thread
        except RuntimeError as error:  # no threads left, or the interpreter is ending
            self._diagnostics.line("thread", f"the flusher cannot start: {error}", "error")
        finally:
            self._starting.release()

    def force_flush(self, timeout_seconds: float, *, leaving: bool = False) -> bool:
        """Send everything added so far. Return whether that was done within `timeout_seconds`.

        `leaving`: the process is about to end, so receivers that are not there are not waited for.
        """
        if self._last:
            return False
        self.start()
        drain = _Drain(time.monotonic() + timeout_seconds, last=False, leaving=leaving)
        self._ask(drain, timeout_seconds)
        return drain.complete

    def shutdown(self, timeout_seconds: float) -> bool:
        """Send everything, then refuse what comes; count what is left as dropped `shutdown`.

        One deadline holds for all signals; an attempt that is stuck is broken off after a quarter of it, and a receiver
        at whose address nobody has listened for a second is given up. May be called again, from a signal handler too:
        the later call waits for the first.

        Returns:
            Whether everything was sent.
        """
        if self._last:
            self._last.done.wait(timeout_seconds)
            return self._last.complete
        deadline = time.monotonic() + timeout_seconds
        self.start()
        # The thread stops a little early, so that it can settle its books before the caller does.
        drain = self._last = _Drain(deadline - min(0.1, timeout_seconds / 10), last=True)
        self._ask(drain, timeout_seconds)
        self.abandon()
        drain.done.set()
        return drain.complete

    def _ask(self, drain: _Drain, timeout_seconds: float) -> None:
        """Hand a request to the thread and wait for its answer."""
        end = time.monotonic() + timeout_seconds
        self._drains.append(drain)
        self._budget.bell.ring()
        if drain.last and not drain.begun.wait(timeout_seconds / 4):
            for lane in self._lanes:
                lane.route.exporter.close()
        drain.done.wait(max(0.0, end - time.monotonic()))

    def abandon(self) -> None:
        """Close the books: refuse new records and count all that is left."""
        self._budget.close()
        for lane in self._lanes:
            lane.abandon()
            lane.route.exporter.close()

    def _run(self) -> None:
        context.attach(context.set_value("suppress_instrumentation", True))
        context.attach(context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        while not (self._last and self._last.done.is_set()):
            try:
                if self._cycle(rung=self._budget.bell.wait(self._sleep_seconds())):
                    return
            except Exception as error:
                self._diagnostics.line("flusher", f"internal error: {type(error).__name__}: {error}", "error")
                time.sleep(0.1)  # an error that repeats must not become a busy loop

    def _sleep_seconds(self) -> float:
        if self._drains:
            return 0.0
        due = min((lane.due() for lane in self._lanes), default=inf)
        return min(max(due - time.monotonic(), 0.0), LONGEST_SLEEP_SECONDS)

    def _cycle(self, *, rung: bool) -> bool:
        """Serve requests, then the lanes that are due (all, if rung). Return whether this was the last."""
        while self._drains:
            drain = self._drains.popleft()
            self._serve(drain)
            if drain.last:
                return True
        while self._round(final=rung) and not self._drains:
            rung = False
        return False

    def _round(self, *, final: bool) -> bool:
        """Give each lane its turn. Return whether one of them settled a batch."""
        self._gather()
        progress = [lane.advance(inf, final=final) for lane in self._lanes]
        is_settled = any(progress)
        self._rounds += 1
        if not is_settled or self._rounds % ROUNDS_PER_CORRECTION == 0:
            self._correct()
        return is_settled

    def _gather(self) -> None:
        for intake in self._intakes:
            intake.make()

    def _correct(self) -> None:
        """Bring the byte count back to the truth and tell of losses."""
        held = sum(lane.held_bytes() for lane in self._lanes)
        self._budget.rearm(held + sum(intake.waiting_bytes() for intake in self._intakes))
        for lane in self._lanes:
            lane.watch()

    def _serve(self, drain: _Drain) -> None:
        drain.begun.set()
        try:
            drain.complete = self._drain(drain.deadline, leaving=drain.leaving)
            self._correct()
        finally:
            drain.done.set()

    def _drain(self, deadline: float, *, leaving: bool) -> bool:
        """Send until nothing is left or the deadline has come, each lane with its share of the time."""
        self._gather()
        for lane in self._lanes:
            lane.hasten()
            if isinstance(lane, MetricLane):
                lane.refresh()
        began = time.monotonic()
        goals = [(lane, lane.settled + lane.backlog()) for lane in self._lanes]
        while unsent := [lane for lane, goal in goals if lane.settled < goal and lane.backlog()]:
            left = [lane for lane in unsent if not (leaving and lane.is_hopeless(began))]
            for place, lane in enumerate(left):
                now = time.monotonic()
                if now >= deadline:
                    return False
                lane.advance(now + (deadline - now) / (len(left) - place), final=True)
            if not left:
                return False
            pause = min(deadline, *(lane.not_before for lane in left)) - time.monotonic()
            self._budget.bell.wait(pause)  # for the first that has backed off; 0 s if one has not
        return True

    def _forget_parent(self) -> None:
        """Begin anew in a forked child: books, queues and bell; the thread starts again with the first record.

        If metrics are collected and the parent was running, it starts at once.
        """
        running = self._thread is not None and self._last is None
        for lane in self._lanes:
            lane.forget_parent()
        self._budget.reset()
        self._drains.clear()
        self._thread = None
        self._starting = Lock()
        self._last = None
        if running and any(isinstance(lane, MetricLane) for lane in self._lanes):
            self.start()
