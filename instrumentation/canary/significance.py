"""Significance: how surprising a difference between two versions is, if there is none.

All exact enough for a few dozen calls and rare failures, which is when it matters, and in plain Python.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

_NORMAL = NormalDist()
_NEGLIGIBLE = 1e-12


def more_often(events: int, calls: int, other_events: int, other_calls: int) -> float:
    """Return how likely so many events or more are by chance, if both have them equally often; 1 if they are not more.

    Fisher's exact test, one-sided: a two-proportion test by normal approximation would be wrong for rare events, and
    failures are rare. Source: R. A. Fisher, The Design of Experiments (1935); hypergeometric tail.
    """
    total, both = calls + other_calls, events + other_events
    if events * total <= both * calls:
        return 1.0
    term = math.exp(_log_choose(both, events) + _log_choose(total - both, calls - events) - _log_choose(total, calls))
    tail = 0.0
    for here in range(events, min(both, calls) + 1):
        tail += term
        term *= (both - here) * (calls - here) / ((here + 1) * (total - both - calls + here + 1))
        if term < tail * _NEGLIGIBLE:
            break
    return min(1.0, tail)


def slower(counts: Sequence[int], other_counts: Sequence[int]) -> float:
    """Return how likely a shift to higher buckets like this one or more is by chance, if both take equally long.

    Mann-Whitney's rank-sum test, one-sided, on histograms with the same buckets: calls of a bucket are ties, for which
    the variance is corrected. It asks about the whole distribution and knows nothing of its shape. Source: Lehmann,
    Nonparametrics (1975), section 1.4.
    """
    calls, other_calls = sum(counts), sum(other_counts)
    if not calls or not other_calls:
        return 1.0
    total = calls + other_calls
    wins, below, ties = 0.0, 0, 0
    for count, other in zip(counts, other_counts, strict=True):
        wins += count * (below + other / 2)
        below += other
        ties += (count + other) ** 3 - (count + other)
    variance = calls * other_calls / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    deviation = (wins - calls * other_calls / 2 - 0.5) / math.sqrt(variance)
    return math.erfc(deviation / math.sqrt(2)) / 2


def greatest_excess(events: int, calls: int, other_events: int, other_calls: int, risk: float) -> float:
    """Return by how much more often, at most, events may come than at the other; too low with probability `risk`.

    Upper bound of the difference of two proportions by Newcombe's method from Wilson's intervals, which holds without
    any event too. Source: Newcombe, Statistics in Medicine 17 (1998), method 10.
    """
    deviations = deviations_of(risk)
    rate, other_rate = events / calls, other_events / other_calls
    upper = _wilson(events, calls, deviations)
    lower = _wilson(other_events, other_calls, -deviations)
    return rate - other_rate + math.hypot(upper - rate, other_rate - lower)


def deviations_of(risk: float) -> float:
    """Return how many standard deviations a normal value exceeds with a probability."""
    return _NORMAL.inv_cdf(1 - risk)


def _wilson(events: int, calls: int, deviations: float) -> float:
    """Return a limit of Wilson's score interval, the upper for positive deviations."""
    rate, square = events / calls, deviations * deviations
    spread = deviations * math.sqrt(rate * (1 - rate) / calls + square / (4 * calls * calls))
    return (rate + square / (2 * calls) + spread) / (1 + square / calls)


def _log_choose(total: int, chosen: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)
