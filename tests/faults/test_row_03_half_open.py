"""Row 3: half-open TCP."""

import re

import pytest
from harness.proxy import Weather
from harness.trial import QUICK_TIMEOUT_SECONDS

TIMEOUT_SECONDS = 10.0


def test_half_open(trial, judge, pace):
    """An export to who accepts and never reads is broken off at its timeout; then every record arrives."""
    seconds = TIMEOUT_SECONDS if pace.is_whole else QUICK_TIMEOUT_SECONDS
    attacked = trial()
    record = attacked.run(
        lambda: attacked.proxy.turn(Weather.HALF_OPEN),
        lambda: attacked.proxy.turn(Weather.FAIR),
        seconds + 1,
    )
    timeouts = [float(text) for text in re.findall(r"no answer within ([\d.]+) s", record.attacked.stderr)]
    judge("connections accepted, never read", record, f"; exports broken off after {timeouts} s")
    assert timeouts == [pytest.approx(seconds, abs=1)] * len(timeouts)
    assert timeouts
    assert record.attacked.books["traces"]["delivered"] == len(record.attacked.requests)
