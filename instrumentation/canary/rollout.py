"""Rollout: a canary gets more and more of the calls as long as it passes, and none once it fails."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from instrumentation.backend import UnansweredError
from instrumentation.canary.judge import Judge, Look, Rule
from instrumentation.canary.reading import BY_CALLER, Metric, Source
from instrumentation.canary.sample import Sample, Snapshot, added, snapshot
from instrumentation.canary.traffic import Traffic

Reason = Literal["held", "failures", "slow_calls", "slower", "inconclusive", "blind", "interrupted"]
"""Why it ended so: it held in all steps; it was worse; nothing could be told in time; nothing could be read; somebody
stopped it."""
ALL = 100.0
BLIND_SECONDS = 60.0
"""A canary whose metrics cannot be read for so long goes back: nobody watches it."""
TRIES = 5
PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to roll out.

    Attributes:
        service: Whose versions these are.
        stable: Version that is there.
        canary: Version that is to take over.
        steps: Percent of the calls that the canary gets, one after the other; after the last it has passed. None: the
            calls are shared out by somebody else, and judged once as they are.
        rule: What is worse.
        timeout_seconds: For each step to be decided.
        every_seconds: Between looks at the metrics.
        metric: Which tells of the calls.
    """

    service: str
    stable: str
    canary: str
    steps: tuple[float, ...] = (5.0, 25.0, 50.0, 100.0)
    rule: Rule = field(default_factory=Rule)
    timeout_seconds: float = 1800.0
    every_seconds: float = 5.0
    metric: Metric = BY_CALLER

    def __post_init__(self) -> None:
        """Refuse what cannot be rolled out.

        Raises:
            ValueError: the versions are the same, or the steps do not rise from above 0 to at most 100 percent.
        """
        if self.stable == self.canary:
            raise ValueError(f"stable and canary are both {self.stable!r}: versions must differ to be told apart")
        rising = all(low < high for low, high in zip((0.0, *self.steps), self.steps, strict=False))
        if not rising or (self.steps and self.steps[-1] > ALL):
            raise ValueError("steps must rise, from above 0 to at most 100 percent")


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known at one moment of a step.

    Attributes:
        percent: Of the calls the canary has; None if somebody else decides that.
        look: What was seen.
    """

    percent: float | None
    look: Look


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended.

    Attributes:
        promoted: Whether the canary has taken over.
        reason: Why, or why not.
        percent: Of the calls the canary had when it was decided; None if somebody else decides that.
        look: The last one; None if there was none.
    """

    promoted: bool
    reason: Reason
    percent: float | None
    look: Look | None = None


class Rollout:
    """One rollout; `run` it once.

    Args:
        plan: What to roll out.
        source: Has the metrics.
        traffic: Shares calls out.
        tell: Is told the progress after each look.
        clock: In seconds.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        plan: Plan,
        source: Source,
        traffic: Traffic,
        tell: Callable[[Progress], None] = lambda _progress: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._plan = plan
        self._source = source
        self._traffic = traffic
        self._tell = tell
        self._clock = clock
        self._sleep = sleep
        self._reference = Sample()
        self._percent: float | None = 0.0

    def run(self) -> Outcome:
        """Roll out; whatever ends it before the last step has passed, the canary gets no call after it.

        Raises:
            UnansweredError: the source or the traffic gave no answer at the start, or refused something; or the canary
                could not be taken back.
            ValueError: the rule does not fit the metric.
        """
        self._read()
        self._weigh(0.0)
        try:
            outcome = self._rolled_out()
        except _BlindError:
            outcome = Outcome(promoted=False, reason="blind", percent=self._percent)
        except BaseException:
            self._end(Outcome(promoted=False, reason="interrupted", percent=self._percent))
            raise
        self._end(outcome)
        return outcome

    def _rolled_out(self) -> Outcome:
        plan = self._plan
        if plan.steps[:1] == (ALL,):
            self._learn()
        look: Look | None = None
        for percent in plan.steps or (None,):
            self._percent = percent
            if percent is not None:
                self._insist(partial(self._weigh, percent))
            for look in self._looks(percent):
                self._tell(Progress(percent, look))
                if look.verdict != "wait":
                    break
            else:
                return Outcome(promoted=False, reason="inconclusive", percent=percent, look=look)
            if look.verdict == "fail":
                return Outcome(promoted=False, reason=look.reason or "failures", percent=percent, look=look)
            self._reference = look.stable
        return Outcome(promoted=True, reason="held", percent=self._percent, look=look)

    def _looks(self, percent: float | None) -> Iterator[Look]:
        """Look again and again until the time is over; where stable gets no calls, at what it did the step before."""
        plan = self._plan
        judge = Judge(plan.rule, len(plan.steps) or 1)
        before = self._read_again()
        for now in self._readings():
            stable = self._reference if percent == ALL else added(before, now, plan.stable)
            yield judge.look(stable, added(before, now, plan.canary))

    def _learn(self) -> None:
        """Watch the stable version alone, as the canary is to get all calls at once."""
        before = self._read_again()
        for now in self._readings():
            self._reference = added(before, now, self._plan.stable)
            self._tell(Progress(0.0, Look("wait", "", self._reference, Sample(), (0.0, 0.0))))
            if self._reference.calls >= self._plan.rule.minimum:
                return

    def _readings(self) -> Iterator[Snapshot]:
        end = self._clock() + self._plan.timeout_seconds
        while self._clock() < end:
            self._sleep(self._plan.every_seconds)
            yield self._read_again()

    def _read(self) -> Snapshot:
        return snapshot(self._source.series(self._plan.metric, self._plan.service))

    def _read_again(self) -> Snapshot:
        """Read, for a while also from a source that does not answer; raise _BlindError then."""
        end = self._clock() + BLIND_SECONDS
        while True:
            try:
                return self._read()
            except UnansweredError as error:
                if self._clock() >= end:
                    raise _BlindError from error
                self._sleep(self._plan.every_seconds)

    def _weigh(self, percent: float) -> None:
        self._traffic.weigh({self._plan.stable: ALL - percent, self._plan.canary: percent})

    def _end(self, outcome: Outcome) -> None:
        """Take the canary back unless it was promoted; then tell, which matters less than what was done."""
        if not outcome.promoted:
            self._insist(partial(self._weigh, 0.0))
        with suppress(UnansweredError):
            verdict = "promote" if outcome.promoted else "rollback"
            self._insist(partial(self._traffic.tell, self._plan.canary, verdict, outcome.reason))

    def _insist(self, act: Callable[[], None]) -> None:
        """Do something that must not fail for a moment's trouble; a refusal is none."""
        for attempt in range(1, TRIES + 1):
            try:
                return act()
            except UnansweredError as error:
                if attempt == TRIES or 400 <= error.status < 500:
                    raise
                self._sleep(PAUSE_SECONDS)
        return None


class _BlindError(Exception):
    """The source has not answered for too long."""
