"""Row 7: the backend's name is not resolved."""

import pytest
from harness.proxy import Weather
from harness.record import all_arrived, lost


def forget(attacked):
    """Let the next export look the name up, in vain."""
    (attacked.service.directory / "slow").touch()
    attacked.proxy.turn(Weather.REFUSED)
    attacked.proxy.turn(Weather.FAIR)


def test_slow_names(run, judge):
    """A resolver that takes 30 s stops the exports alone: no request waits, and then every record arrives."""
    record = run(forget, lambda attacked: (attacked.service.directory / "slow").unlink())
    judge("a look-up of the backend's name takes 30 s", record)
    assert all_arrived(record)


@pytest.mark.slow
def test_exit_during_a_look_up(trial, judge):
    """SIGTERM during a look-up ends the service in time, and what could not be sent is counted."""
    attacked = trial()
    record = attacked.run(lambda: forget(attacked))
    judge("SIGTERM during a look-up of 30 s", record)
    assert set(lost(record.attacked.books, "traces")) == {"shutdown"}
