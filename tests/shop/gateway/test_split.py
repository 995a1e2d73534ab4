import random
from collections import Counter
from itertools import pairwise

import pytest
from shop.gateway.split import Split, read_splits


def counted(split, calls, versions=("1", "2")):
    return Counter(split.choose(split.allowed(versions)) for _ in range(calls))


@pytest.mark.parametrize("weight", [1, 5, 25, 50, 100])
def test_in_turn_each_hundred_calls_are_shared_out_exactly(weight):
    """Of every hundred calls the second version gets as many as its weight says, spread over them."""
    split = Split({"1": 100 - weight, "2": weight})
    for _ in range(3):
        assert counted(split, 100) == Counter({"1": 100 - weight, "2": weight}) - Counter()


def test_calls_of_a_small_share_are_spread_and_not_bunched():
    """One of twenty goes to the canary, not five of a hundred at once."""
    split = Split({"1": 95, "2": 5})
    chosen = [split.choose({"1", "2"}) for _ in range(100)]
    places = [place for place, version in enumerate(chosen) if version == "2"]
    assert {second - first for first, second in pairwise(places)} == {20}


def test_by_chance_the_shares_are_the_weights():
    """A thousand draws at 10 % are a hundred, give or take five standard deviations."""
    found = counted(Split({"1": 9, "2": 1}, "random", random.Random(1)), 1000)
    assert abs(found["2"] - 100) < 48


def test_a_weight_of_zero_is_no_call_even_if_nobody_else_is_there():
    """What was taken out of the traffic stays out."""
    split = Split({"1": 100, "2": 0})
    assert split.allowed({"1", "2"}) == {"1"}
    assert split.allowed({"2"}) == frozenset()


def test_a_version_without_a_weight_takes_over_once_no_weighted_one_is_left():
    """The release after the one that was judged needs no weight; beside a weighted one it gets nothing."""
    split = Split({"1": 0, "2": 100})
    assert split.allowed({"2", "3"}) == {"2"}
    assert split.allowed({"1", "3"}) == {"3"}


def test_without_weights_versions_make_no_difference():
    """All are allowed."""
    assert Split().allowed({"1", "2", ""}) == {"1", "2", ""}
    assert Split().shares == {}


@pytest.mark.parametrize("weights", [{"1": -1}, {"1": 0, "2": 0}, {"1": float("nan")}, {"1": float("inf")}])
def test_weights_that_share_nothing_out_are_refused(weights):
    """The ones before stay."""
    split = Split({"1": 3, "2": 1})
    with pytest.raises(ValueError, match="weight"):
        split.weigh(weights)
    assert split.shares == {"1": 0.75, "2": 0.25}


def test_splits_are_read_from_the_environment():
    """By service and version; what is of another form is refused with its example."""
    read = read_splits("inventory=1.0:95,1.1:5;orders=2.0:100")
    assert read == {"inventory": {"1.0": 95, "1.1": 5}, "orders": {"2.0": 100}}
    assert read_splits("") == {}
    for wrong in ("inventory", "inventory=1.0", "inventory=1.0:x", "inventory=1.0:0"):
        with pytest.raises(ValueError, match=r"TRAFFIC_SPLIT=.*inventory=1.0.0:95,1.1.0:5"):
            read_splits(wrong)
