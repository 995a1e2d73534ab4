"""The tests of significance, held against what they are defined by."""

import math
import random
from itertools import pairwise

import pytest

from instrumentation.canary.significance import deviations_of, greatest_excess, more_often, slower


@pytest.mark.parametrize(
    ("events", "calls", "other_events", "other_calls"), [(3, 10, 1, 20), (5, 5, 0, 30), (1, 50, 0, 950), (8, 40, 9, 60)]
)
def test_the_tail_is_that_of_all_ways_to_deal_the_events_out(events, calls, other_events, other_calls):
    """The probability is the share of deals, of all events to all calls, that give so many or more."""
    total, both = calls + other_calls, events + other_events
    deals = [math.comb(both, here) * math.comb(total - both, calls - here) for here in range(min(both, calls) + 1)]
    assert more_often(events, calls, other_events, other_calls) == pytest.approx(sum(deals[events:]) / sum(deals))


def test_what_is_not_more_is_never_surprising():
    """Equal shares, fewer, none at all, and nothing to compare with."""
    for events, calls, other_events, other_calls in [(1, 10, 10, 100), (1, 100, 10, 100), (0, 5, 0, 5), (3, 9, 0, 0)]:
        assert more_often(events, calls, other_events, other_calls) == 1.0


def test_overwhelming_numbers_are_told_at_once():
    """Thousands of failures neither overflow nor take long."""
    assert more_often(9_000, 10_000, 100, 100_000) == pytest.approx(0, abs=1e-300)
    assert 0.4 < more_often(10_001, 100_000, 10_000, 100_000) < 0.55


def test_a_shift_is_as_surprising_as_the_shuffles_that_show_more():
    """On small histograms the probability is near the share of shuffles whose rank sum is as large or larger."""
    shuffle = random.Random(4)
    counts, other = (2, 5, 9, 4), (9, 8, 5, 2)
    ranks = [2 * bucket for bucket, (one, two) in enumerate(zip(counts, other, strict=True)) for _ in range(one + two)]
    buckets = [bucket for bucket, count in enumerate(counts) for _ in range(count)]

    def wins(own, others):
        return sum((mine > theirs) + (mine == theirs) / 2 for mine in own for theirs in others)

    observed = wins([2 * bucket for bucket in buckets], [2 * b for b, count in enumerate(other) for _ in range(count)])
    as_large = 0
    for _ in range(800):
        shuffle.shuffle(ranks)
        as_large += wins(ranks[: len(buckets)], ranks[len(buckets) :]) >= observed
    assert slower(counts, other) == pytest.approx(as_large / 800, abs=0.02)


def test_equal_histograms_and_faster_ones_are_no_shift():
    """Ties alone tell nothing; nor does one bucket that holds all."""
    assert slower((10, 20, 5), (100, 200, 50)) > 0.5
    assert slower((30, 5, 0), (100, 200, 50)) > 0.99
    assert slower((40, 0), (60, 0)) == 1.0
    assert slower((0, 0), (60, 0)) == 1.0


def test_the_bound_on_the_excess_is_wrong_no_more_often_than_it_says():
    """At a true excess of one point the bound lies below it in at most about 5 % of runs, at a risk of 5 %."""
    draw = random.Random(9)
    below = 0
    for _ in range(400):
        events = sum(draw.random() < 0.03 for _ in range(300))
        other = sum(draw.random() < 0.02 for _ in range(600))
        below += greatest_excess(events, 300, other, 600, 0.05) < 0.01
    assert below <= 0.08 * 400


def test_more_calls_without_an_event_exclude_more():
    """The bound falls as the sample grows, and is near the rule of three."""
    bounds = [greatest_excess(0, calls, 0, 100_000, 0.05) for calls in (50, 100, 1000, 10_000)]
    assert all(high > low for high, low in pairwise(bounds))
    assert bounds[2] == pytest.approx(deviations_of(0.05) ** 2 / 1000, rel=0.05)
