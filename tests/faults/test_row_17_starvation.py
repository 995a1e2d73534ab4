"""Row 17: no processor, and no interpreter."""

import os
import subprocess
import sys
from pathlib import Path

RATE = 20.0
"""What a quarter of a core serves too."""
HOGS = 2


def test_starved(trial, judge):
    """Without its share of a core and while a thread holds the interpreter for 2 s, nothing dies or loses count.

    The twin is starved as well: what differs is that the attacked one's backend is frozen too.
    """
    attacked = trial(rate=RATE, application="harness.hog:app")
    services = [each for each in (attacked.service, attacked.twin) if each]
    hogs = []

    def starve():
        core = min(os.sched_getaffinity(0))
        attacked.sink.freeze()
        for service in services:
            (service.directory / "hog").touch()
            for thread in Path(f"/proc/{service.program.pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {core})
        for _ in range(HOGS):
            hogs.append(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            os.sched_setaffinity(hogs[-1].pid, {core})

    def feed():
        for hog in hogs:
            hog.kill()
            hog.wait()
        for service in services:
            (service.directory / "hog").unlink()
        attacked.sink.thaw()

    try:
        record = attacked.run(starve, feed)
    finally:
        for hog in hogs:
            hog.kill()
    judge("one core with two busy loops, the interpreter held for 2 s, backend frozen", record)
    assert record.attacked.books["traces"]["delivered"] == len(record.attacked.requests)
