import pytest

from instrumentation.canary.sample import Sample, Series, added, snapshot

BOUNDS = (0.1, 0.25)


def series(counts, version="2", failed=False, instance="a", seconds=1.0):
    key = (("instance", instance), ("failed", str(failed)), ("version", version))
    return Series(key, version, failed, BOUNDS, counts, seconds)


def test_what_was_added_is_the_difference_of_each_series():
    """Of several instances together; series that are new count from 0; other versions are left out."""
    before = snapshot([series((5, 1, 0), seconds=0.5), series((7, 0, 0), version="1")])
    now = snapshot(
        [
            series((9, 2, 1), seconds=1.5),
            series((1, 1, 1), instance="b", seconds=0.75),
            series((2, 0, 1), failed=True),
            series((99, 0, 0), version="1"),
        ]
    )
    found = added(before, now, "2")
    assert found == Sample(3, BOUNDS, (5, 2, 2), 1.75)
    assert (found.calls, found.successes, found.mean_seconds) == (12, 9, 1.75 / 9)


def test_a_counter_that_began_anew_counts_from_its_beginning():
    """A process that was started again under its old name is no negative number of calls."""
    found = added(snapshot([series((50, 0, 0), seconds=9.0)]), snapshot([series((3, 0, 1), seconds=0.5)]), "2")
    assert found == Sample(0, BOUNDS, (3, 0, 1), 0.5)


def test_slow_calls_are_those_above_a_bound_and_other_times_are_refused_by_name():
    """Nobody counted calls beyond 0.2 s."""
    sample = Sample(0, BOUNDS, (5, 3, 2))
    assert (sample.slow(0.25), sample.slow(0.1), Sample().slow(0.2)) == (2, 5, 0)
    with pytest.raises(ValueError, match=r"0.2 s is no bound of the histogram's buckets; these are: 0.1, 0.25"):
        sample.slow(0.2)


def test_nothing_added_is_an_empty_sample():
    """No calls, no mean."""
    found = added({}, {}, "2")
    assert (found.calls, found.mean_seconds, found.median_seconds()) == (0, 0.0, 0.0)


def test_the_median_is_estimated_within_its_bucket():
    """Between the bounds in proportion; beyond the last bound it is that bound."""
    assert Sample(0, BOUNDS, (0, 10, 0)).median_seconds() == pytest.approx(0.175)
    assert Sample(0, BOUNDS, (8, 2, 0)).median_seconds() == pytest.approx(0.0625)
    assert Sample(0, BOUNDS, (0, 0, 4)).median_seconds() == 0.25
