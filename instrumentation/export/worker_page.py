"""What workers of a server keep for each other, and what comes of it on a page.

Imported with an application, and where a process turns out to be one of several workers: others need none of it.
"""

from collections.abc import Sequence
from pathlib import Path

from instrumentation.encode import snapshot
from instrumentation.encode.family import Family
from instrumentation.export.worker_file import BUFFER_BYTES, WorkerFile, WorkersSeen
from instrumentation.export.worker_group import lives
from instrumentation.signals.combine import combine


def opened(path: Path) -> WorkerFile:
    """Open the file of a server's workers, which is made if it is missing.

    Raises:
        OSError: That cannot be done.
    """
    return WorkerFile(path, lives, fold)


def fold(before: bytes, left: Sequence[bytes]) -> bytes:
    """Add dead workers' snapshots to those before them."""
    dead = [snapshot.loads(data) for data in (before, *left) if data]
    return fitting(combine([], dead), BUFFER_BYTES - 64 * 1024)[0]  # room for what else cell 0 holds


def fitting(families: Sequence[Family], most_bytes: int = BUFFER_BYTES) -> tuple[bytes, list[str]]:
    """Encode what there is room for, and name the instruments that had to be left out: those with most series."""
    kept, left_out = list(families), list[str]()
    while len(data := snapshot.dumps(kept)) > most_bytes:
        largest = max(kept, key=lambda family: len(family.points))
        kept.remove(largest)
        left_out.append(largest.name)
    return data, left_out


def combined(own: list[Family], seen: Sequence[WorkersSeen]) -> list[Family]:
    """Combine this worker's metrics and what was seen of the others'."""
    living = [snapshot.loads(data) for each in seen for data in each.living]
    dead = [snapshot.loads(data) for each in seen for data in (each.folded, *each.dead) if data]
    return combine([own, *living], dead)
