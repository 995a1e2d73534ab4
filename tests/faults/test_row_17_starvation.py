"""Row 17: no processor, and no interpreter."""

import os
import subprocess
import sys
from pathlib import Path

from harness.record import all_arrived

RATE = 20.0
"""What a quarter of a core serves too."""
HOGS = 2


def test_starved(run, judge):
    """Without its share of a core and while a thread holds the interpreter for 2 s, nothing dies or loses count.

    The twin is starved as well: what differs is that the attacked one's backend is frozen too.
    """
    hogs, cores = [], os.sched_getaffinity(0)

    def keep_to(attacked, kept):
        for service in (attacked.service, attacked.twin):
            for thread in Path(f"/proc/{service.program.pid}/task").iterdir() if service else ():
                os.sched_setaffinity(int(thread.name), kept)

    def starve(attacked):
        core = min(cores)
        attacked.sink.freeze()
        keep_to(attacked, {core})
        for service in (attacked.service, attacked.twin):
            if service:
                (service.directory / "hog").touch()
        for _ in range(HOGS):
            hogs.append(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            os.sched_setaffinity(hogs[-1].pid, {core})

    def feed(attacked):
        for hog in hogs:
            hog.kill()
            hog.wait()
        for service in (attacked.service, attacked.twin):
            if service:
                (service.directory / "hog").unlink()
        keep_to(attacked, cores)
        attacked.sink.thaw()

    try:
        record = run(starve, feed, rate=RATE)
    finally:
        for hog in hogs:
            hog.kill()
    judge("one core with two busy loops, the interpreter held for 2 s, backend frozen", record)
    assert all_arrived(record)
