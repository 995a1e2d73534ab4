"""Row 2: the backend is frozen."""

from harness.invariants import duplicates
from harness.record import all_arrived

BATCH = 512


def test_frozen(run, judge):
    """A backend that accepts and never answers costs no request; when it thaws, every record arrives."""
    record = run(lambda attacked: attacked.sink.freeze(), lambda attacked: attacked.sink.thaw())
    retried = max(duplicates(record, "traces"), duplicates(record, "logs"))
    judge("SIGSTOP of the backend, then SIGCONT", record, f"; {retried} records twice")
    assert all_arrived(record)
    assert retried <= 2 * BATCH
