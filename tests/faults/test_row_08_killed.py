"""Row 8: the service is killed."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

from harness.emitter import Emitter

FLUSH_SECONDS = 0.5
"""The stated loss of kill -9: what ended within the last flush."""
EXPORT_SECONDS = 1.5
"""What the export under way may take on a machine that is busy."""
ONCE_PER_SPAN = 1


def kill_once(directory, sink, seconds):
    """Start, let it work for some time, kill; return the ages of the spans that were lost, and how many arrived."""
    emitter = Emitter(directory, sink.url)
    emitter.wait_for(1)
    time.sleep(seconds)
    emitter.kill()
    killed_at = time.monotonic()
    told = emitter.told()
    end = time.monotonic() + EXPORT_SECONDS
    while time.monotonic() < end:  # what the system still has of a request that was sent whole
        arrived = sink.ids("traces")
        time.sleep(0.05)
    assert set(arrived.values()) <= {ONCE_PER_SPAN}
    return [killed_at - span.at for span in told if span.span_id not in arrived], len(told)


def test_killed_at_any_time(tell, sink, tmp_path, pace):
    """After kill -9 all is there that ended before the last flush, each once, and the next start is clean."""
    times = [random.uniform(0.3, 2.5) for _ in range(pace.times(quick=2, whole=100))]
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda each: kill_once(tmp_path / f"run{each[0]}", sink, each[1]), enumerate(times)))
    lost = [age for ages, _ in runs for age in ages]
    oldest, total = max(lost, default=0), sum(count for _, count in runs)
    tell(
        f"kill -9 at a random moment, {len(times)} times",
        f"{total} spans, {len(lost)} lost; the oldest of them ended {oldest:.2f} s before; none twice",
        [f"lost after {oldest} s"] if oldest > FLUSH_SECONDS + EXPORT_SECONDS else [],
    )
