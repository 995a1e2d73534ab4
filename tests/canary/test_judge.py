import random

import pytest
from simulated_traffic import binomial

from instrumentation.canary.judge import Judge, Rule
from instrumentation.canary.sample import Sample

BOUNDS = (0.005, 0.01, 0.025, 0.25, 1.0)


def sample(calls, failures=0, slow=0, bucket=1, seconds_each=0.008):
    """Calls that end in one bucket, but for those that are slow."""
    counts = [0] * (len(BOUNDS) + 1)
    counts[bucket] = calls - failures - slow
    counts[4] = slow
    return Sample(failures, BOUNDS, tuple(counts), (calls - failures) * seconds_each)


def verdict(stable, canary, rule=None):
    look = Judge(rule or Rule()).look(stable, canary)
    return look.verdict, look.reason


def test_nothing_is_said_before_the_least_sample_of_both():
    """49 failures of 49 calls wait for the fiftieth; and for as many of the stable version."""
    assert verdict(sample(1000), sample(49, failures=49)) == ("wait", "")
    assert verdict(sample(49), sample(50, failures=50)) == ("wait", "")
    assert verdict(sample(1000), sample(50, failures=50)) == ("fail", "failures")


@pytest.mark.parametrize(
    ("canary", "expected"),
    [
        (sample(500, failures=15), ("fail", "failures")),
        (sample(500, slow=60), ("fail", "slow_calls")),
        (sample(500, bucket=2, seconds_each=0.02), ("fail", "slower")),
        (sample(500, failures=1), ("wait", "")),
        (sample(800), ("pass", "")),
    ],
)
def test_each_way_to_be_worse_is_named(canary, expected):
    """Failures, calls beyond the promise, and calls slower altogether; one failure of 500 says nothing yet."""
    assert verdict(sample(9500, failures=5), canary) == expected


def test_what_the_stable_version_does_too_is_no_fault_of_the_canary():
    """A dependency that fails for both, or slows both down, fails no canary; nor does it pass while it may be worse."""
    assert verdict(sample(9000, failures=900), sample(1000, failures=105)) == ("wait", "")
    assert verdict(sample(9000, slow=2000), sample(1000, slow=225))[0] != "fail"


def test_a_call_that_hangs_and_a_hair_over_a_bound_are_not_slower_altogether():
    """The mean alone, or the bucket alone, is not enough."""
    hair = sample(500, bucket=2, seconds_each=0.0102)
    assert verdict(sample(9500, seconds_each=0.0098), hair)[0] != "fail"
    assert verdict(sample(9500), sample(500, seconds_each=0.02))[0] != "fail"


def test_a_difference_within_the_budget_does_not_matter_however_sure_it_is():
    """With a budget of one in a hundred, eight failures in ten thousand against none are surprising and allowed."""
    rule = Rule(objective=0.99)
    assert verdict(sample(100_000), sample(10_000, failures=8), rule) == ("pass", "")


def test_burn_rates_are_failures_by_the_budget():
    """A share of 1 % is ten times the budget of 0.1 %."""
    look = Judge(Rule()).look(sample(1000, failures=1), sample(100, failures=1))
    assert look.burn_rates == pytest.approx((1, 10))


def test_looking_again_and_again_does_not_wear_the_judge_down():
    """Of 300 equal canaries, each looked at 200 times, no more fail than its third of the risk allows one test."""
    rule = Rule(risk=0.05, objective=0.98, burn=1)
    failed = 0
    for seed in range(300):
        draw, judge = random.Random(seed), Judge(rule)
        counts = {"stable": [0, 0], "canary": [0, 0]}
        for _ in range(200):
            for calls in counts.values():
                calls[0] += 20
                calls[1] += binomial(20, 0.02, draw)
            look = judge.look(sample(*counts["stable"]), sample(*counts["canary"]))
            if look.verdict == "fail":
                failed += 1
                break
    assert failed <= rule.risk / 3 * 300


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"objective": 1.0}, "objective must be between 0 and 1"),
        ({"risk": 0}, "risk must be between 0 and 1"),
        ({"minimum": 0}, "minimum must be 1 or more"),
        ({"objective": 0.9}, "more than all calls"),
    ],
)
def test_a_rule_that_could_never_tell_is_refused(wrong, said):
    """At set-up, with the value that is wrong."""
    with pytest.raises(ValueError, match=said):
        Rule(**wrong)
