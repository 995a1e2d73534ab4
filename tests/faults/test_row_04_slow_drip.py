"""Row 4: a network that drips, and one that is late."""

import pytest
from harness.proxy import Weather
from harness.record import all_arrived


@pytest.mark.slow
def test_dripping(judge_breaking_off):
    """One byte a second does not keep an export alive: its deadline is for the whole of it, not for each read."""
    judge_breaking_off(Weather.DRIPPING, "one byte a second, 2 s late")


def test_late(run, judge, pace):
    """A network that is two seconds late each way costs no request and, while there is memory, no record."""
    record = run(lambda attacked: attacked.proxy.turn(Weather.LATE), lambda attacked: attacked.proxy.turn(Weather.FAIR))
    judge("2 s late each way, give or take 1 s", record)
    assert all_arrived(record)
