"""Row 4: a network that drips, and one that is late."""

import re

import pytest
from harness.proxy import Weather
from harness.trial import QUICK_TIMEOUT_SECONDS

TIMEOUT_SECONDS = 10.0


def test_dripping(trial, judge, pace):
    """One byte a second does not keep an export alive: its deadline is for the whole of it, not for each read."""
    seconds = TIMEOUT_SECONDS if pace.is_whole else QUICK_TIMEOUT_SECONDS
    attacked = trial()
    record = attacked.run(
        lambda: attacked.proxy.turn(Weather.DRIPPING),
        lambda: attacked.proxy.turn(Weather.FAIR),
        seconds + 1,
    )
    timeouts = [float(text) for text in re.findall(r"no answer within ([\d.]+) s", record.attacked.stderr)]
    judge("one byte a second, 2 s late", record, f"; exports broken off after {timeouts} s")
    assert timeouts == [pytest.approx(seconds, abs=1)] * len(timeouts)
    assert timeouts
    assert record.attacked.books["traces"]["delivered"] == len(record.attacked.requests)


def test_late(run, judge, pace):
    """A network that is two seconds late each way costs no request and, while there is memory, no record."""
    record = run(lambda attacked: attacked.proxy.turn(Weather.LATE), lambda attacked: attacked.proxy.turn(Weather.FAIR))
    judge("2 s late each way, give or take 1 s", record)
    assert record.attacked.books["traces"]["delivered"] == len(record.attacked.requests)
