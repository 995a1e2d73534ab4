"""Row 18: there is no more memory."""

import resource
from pathlib import Path

from harness.record import all_arrived

MORE_BYTES = 80 * 2**20


def test_little_memory(run, judge):
    """A service that may take 80 MiB more serves on while its backend is down, and then every record arrives."""

    def limit(attacked):
        pid = attacked.service.program.pid
        size = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
        resource.prlimit(pid, resource.RLIMIT_AS, (size + MORE_BYTES, resource.RLIM_INFINITY))
        attacked.sink.kill()

    def lift(attacked):
        resource.prlimit(
            attacked.service.program.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        )
        attacked.sink.start()

    record = run(limit, lift)
    judge("80 MiB of address space left, backend killed", record)
    assert all_arrived(record)
