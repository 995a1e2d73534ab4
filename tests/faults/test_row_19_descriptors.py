"""Row 19: there are no more file descriptors."""

import resource

from harness.proxy import Weather
from harness.record import all_arrived


def test_no_descriptors(run, judge):
    """Exports that cannot open a socket wait and are tried again; when they can, every record arrives."""
    before, seen = resource.getrlimit(resource.RLIMIT_NOFILE), []

    def exhaust(attacked):
        # The limit is of a descriptor's number, and those below 3 are taken: none can be had, whichever is closed.
        resource.prlimit(attacked.service.program.pid, resource.RLIMIT_NOFILE, (3, before[1]))
        attacked.proxy.turn(Weather.REFUSED)
        attacked.proxy.turn(Weather.FAIR)

    def give_back(attacked):
        seen.append(attacked.sink.taken()[-1].at)
        resource.prlimit(attacked.service.program.pid, resource.RLIMIT_NOFILE, before)

    record = run(exhaust, give_back)
    judge("RLIMIT_NOFILE below what is open, connections to the backend torn", record)
    assert seen[0] < record.marks[1] + 0.1, "something was delivered without a descriptor"
    assert all_arrived(record)
