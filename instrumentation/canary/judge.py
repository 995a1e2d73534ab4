"""Judge: whether a canary does worse than the stable version, told as soon as the numbers can tell.

Two questions, each with its own risk of a wrong answer. Is it worse? Then back. Is it, at most, so little worse that
nobody need be woken? Then on. As long as neither can be answered: wait for more calls.

A canary is worse if what would surprise an equal one is seen, and it matters: more failures, or more calls slower than
the promise, with a burn rate above 1; or calls slower altogether, by a factor. Both questions are asked
again and again, so each look has a part of the risk: the k-th 6 / (pi k)^2 of it, which adds up to all of it over
any number of looks, and looks come when the sample has grown by half.
"""

import math
from dataclasses import dataclass
from typing import Literal

from instrumentation.canary.sample import Sample
from instrumentation.canary.significance import deviations_of, greatest_excess, more_often, slower

Verdict = Literal["wait", "pass", "fail"]
Reason = Literal["", "failures", "slow_calls", "slower"]
GROWTH = 1.5
_TESTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is worse, and how sure to be.

    Attributes:
        minimum: Least calls of each version before the first look.
        objective: Share of calls that is promised not to fail.
        within_seconds: Time within which calls are promised to end; a bound of the histogram's buckets.
        within_objective: Share of calls for which that is promised.
        burn: Burn rate that a canary may have beyond the stable version's when it passes; 14.4 would page somebody.
        slower: Factor between mean, and median, durations from which on a canary that is slower altogether fails.
        risk: Probability of failing a canary that is equal, and of passing one that burns so much more; each.
    """

    minimum: int = 50
    objective: float = 0.999
    within_seconds: float = 0.25
    within_objective: float = 0.99
    burn: float = 14.4
    slower: float = 1.5
    risk: float = 0.01

    def __post_init__(self) -> None:
        """Refuse what could never be told.

        Raises:
            ValueError: a value is out of its range; the message names it.
        """
        for name in ("objective", "within_objective", "risk"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must be between 0 and 1, not {getattr(self, name):g}")
        if self.minimum < 1 or self.burn <= 0 or self.slower < 1:
            raise ValueError("minimum must be 1 or more, burn above 0 and slower 1 or more")
        if max(self.excess) >= 1:
            raise ValueError(f"a burn rate of {self.burn:g} is more than all calls of objective {self.objective:g}")

    @property
    def excess(self) -> tuple[float, float]:
        """By how much more often a passing canary may fail, and be slow."""
        return self.burn * (1 - self.objective), self.burn * (1 - self.within_objective)


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at one moment.

    Attributes:
        verdict: On this step.
        reason: Why it failed.
        stable: The stable version's calls.
        canary: The canary's.
        burn_rates: Of stable and canary: how many times faster than allowed they use their error budget up.
    """

    verdict: Verdict
    reason: Reason
    stable: Sample
    canary: Sample
    burn_rates: tuple[float, float]


class Judge:
    """Judges one step of a rollout.

    Args:
        rule: What is worse.
        steps: Of the rollout, which share the risk of failing an equal canary.
    """

    def __init__(self, rule: Rule, steps: int = 1) -> None:
        self._rule = rule
        self._steps = steps
        self._looks = self._passes = 0
        self._next_look = rule.minimum

    def look(self, stable: Sample, canary: Sample) -> Look:
        """Judge what was counted so far in this step."""
        verdict, reason = self._judged(stable, canary)
        burn_rates = tuple(_share(each.failures, each.calls) / (1 - self._rule.objective) for each in (stable, canary))
        return Look(verdict, reason, stable, canary, (burn_rates[0], burn_rates[1]))

    def _judged(self, stable: Sample, canary: Sample) -> tuple[Verdict, Reason]:
        if canary.calls < self._next_look or stable.calls < self._rule.minimum:
            return "wait", ""
        self._looks += 1
        self._next_look = math.ceil(canary.calls * GROWTH)
        risk = _part(self._looks) * self._rule.risk / self._steps / _TESTS
        reason = self._worse(stable, canary, risk)
        if reason:
            return "fail", reason
        return ("pass" if self._passes_now(stable, canary) else "wait"), ""

    def _worse(self, stable: Sample, canary: Sample, risk: float) -> Reason:
        rule = self._rule
        if _more(canary.failures, canary.calls, stable.failures, stable.calls, 1 - rule.objective, risk):
            return "failures"
        slow, stable_slow = canary.slow(rule.within_seconds), stable.slow(rule.within_seconds)
        if _more(slow, canary.successes, stable_slow, stable.successes, 1 - rule.within_objective, risk):
            return "slow_calls"
        matters = _slower(canary, stable, rule.slower) and stable.successes > 0
        return "slower" if matters and slower(canary.counts, stable.counts) <= risk else ""

    def _passes_now(self, stable: Sample, canary: Sample) -> bool:
        """Ask whether it is surely not much worse; a sample too small to tell costs nothing of the risk."""
        rule = self._rule
        risk = _part(self._passes + 1) * rule.risk
        if canary.calls < max(_least_calls(excess, risk) for excess in rule.excess) or not canary.successes:
            return False
        self._passes += 1
        failures = greatest_excess(canary.failures, canary.calls, stable.failures, stable.calls, risk)
        slow, stable_slow = canary.slow(rule.within_seconds), stable.slow(rule.within_seconds)
        late = greatest_excess(slow, canary.successes, stable_slow, max(1, stable.successes), risk)
        return failures < rule.excess[0] and late < rule.excess[1]


def _more(events: int, calls: int, other_events: int, other_calls: int, budget: float, risk: float) -> bool:
    """Tell whether events are too many for the budget, and more than at the other by more than chance."""
    share = _share(events, calls)
    if share <= budget or share <= _share(other_events, other_calls):
        return False
    return more_often(events, calls, other_events, other_calls) <= risk


def _slower(canary: Sample, stable: Sample, factor: float) -> bool:
    """Tell whether calls take so much longer by mean and by median.

    One call that hangs moves the mean alone, and a hair's breadth over the bound of a bucket the median alone.
    """
    by_mean = canary.mean_seconds >= factor * stable.mean_seconds
    return by_mean and canary.median_seconds() >= factor * stable.median_seconds()


def _share(events: int, calls: int) -> float:
    return events / calls if calls else 0.0


def _part(number: int) -> float:
    """Return the part of the risk that a look has; all together they are 1."""
    return 6 / (math.pi * number) ** 2


def _least_calls(excess: float, risk: float) -> float:
    """Return how many calls without any event it takes to exclude such an excess."""
    return deviations_of(risk) ** 2 * (1 - excess) / excess
