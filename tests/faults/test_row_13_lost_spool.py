"""Row 13: the spool's directory is gone, or takes nothing."""

import shutil

import pytest
from harness.record import all_arrived


@pytest.mark.slow
def test_vanished(trial, judge, tmp_path):
    """A spool that vanishes during an outage costs no request; what comes then waits in memory, and arrives."""
    spool = tmp_path / "spool"
    attacked = trial(CLEW_SPOOL_DIR=str(spool))

    def vanish():
        attacked.sink.kill()
        shutil.rmtree(spool, ignore_errors=True)
        spool.write_text("no directory any more")

    record = attacked.run(vanish, attacked.sink.start)
    judge("backend killed, and the spool's directory replaced by a file", record)
    assert all_arrived(record)


def test_never_there(trial, judge):
    """A spool that cannot be written costs no request and no record: they go from memory, with one line about it."""
    attacked = trial(CLEW_SPOOL_DIR="/proc/nothing/spool")
    record = attacked.run(attacked.sink.kill, attacked.sink.start)
    judge("a spool that cannot be written, backend killed", record)
    assert record.attacked.stderr.count("the spool cannot be written") == 1
    assert all_arrived(record)
