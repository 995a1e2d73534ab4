"""Row 19: there are no more file descriptors."""

import resource

from harness.proxy import Weather


def test_no_descriptors(trial, judge):
    """Exports that cannot open a socket wait and are tried again; when they can, every record arrives."""
    attacked = trial()
    program = attacked.service.program
    before = resource.prlimit(program.pid, resource.RLIMIT_NOFILE)

    def exhaust():
        resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (program.resources().files - 3, before[1]))
        attacked.proxy.turn(Weather.REFUSED)
        attacked.proxy.turn(Weather.FAIR)

    record = attacked.run(exhaust, lambda: resource.prlimit(program.pid, resource.RLIMIT_NOFILE, before))
    judge("RLIMIT_NOFILE below what is open, connections to the backend torn", record)
    assert "Too many open files" in record.attacked.stderr
    assert record.attacked.books["traces"]["delivered"] == len(record.attacked.requests)
