"""Row 1: the backend is down, from the start or in the middle."""

import pytest
from harness.invariants import duplicates
from harness.proxy import Weather
from harness.record import lost

BATCH = 512
OUTAGE_SECONDS = 60.0
START_SECONDS = 1.0


def test_killed(run, judge, pace):
    """A backend that is killed for 60 s at 200 requests/s costs no request and no record: the ledger ends at 0."""
    seconds = OUTAGE_SECONDS if pace.is_whole else None
    record = run(lambda attacked: attacked.sink.kill(), lambda attacked: attacked.sink.start(), seconds, rate=200.0)
    judge("backend killed (60 s, 200 requests/s)", record)
    assert (lost(record.attacked.books, "traces"), lost(record.attacked.books, "logs")) == ({}, {})


@pytest.mark.slow
def test_down_from_the_start(trial, judge, pace):
    """A service whose backend is not there starts as fast; what does not fit the memory bound is counted.

    Its line is written for all that, and the metrics tell of it.
    """
    attacked = trial(weather=Weather.REFUSED, CLEW_MAX_BUFFER_BYTES=str(64 * 1024))
    record = attacked.run(lambda: None, lambda: attacked.proxy.turn(Weather.FAIR))
    cpu = record.attacked.cpu_share(record.marks[1:3])
    more = f"; 64 KiB of memory for records; {cpu:.1%} of a core"
    if pace.is_whole:
        more += f" (twin {record.twin.cpu_share(record.marks[1:3]):.1%})"
        assert attacked.service.serving_seconds <= attacked.twin.serving_seconds + START_SECONDS
        assert cpu <= record.twin.cpu_share(record.marks[1:3]) + 0.02
    judge("nobody listens, from the start", record, more)
    assert set(lost(record.attacked.books, "traces")) <= {"queue_full"}
    assert lost(record.attacked.books, "logs").keys() == {"queue_full"}
    assert lost(record.attacked.books, "lines") == {}
    assert max(taken.requests for taken in record.attacked.taken) == len(record.attacked.requests)


@pytest.mark.slow
def test_killed_with_a_spool(trial, judge, pace, tmp_path):
    """With a spool too every record arrives once the backend is back, none twice beyond one batch."""
    attacked = trial(rate=200.0, CLEW_SPOOL_DIR=str(tmp_path / "spool"))
    record = attacked.run(attacked.sink.kill, attacked.sink.start, OUTAGE_SECONDS if pace.is_whole else None)
    twice = max(duplicates(record, "traces"), duplicates(record, "logs"))
    judge("backend killed (60 s, 200 requests/s), with a spool", record, f"; {twice} records twice")
    assert (lost(record.attacked.books, "traces"), lost(record.attacked.books, "logs")) == ({}, {})
    assert twice <= BATCH
