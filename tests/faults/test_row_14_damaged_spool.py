"""Row 14: the spool is damaged."""

import random
import time

import pytest
from harness.emitter import Emitter
from harness.sink import Sink

NOBODY = "http://127.0.0.1:9"
SPANS = 400
BATCH = 512
"""Records in a batch at most: what a wrong byte may cost."""
ADOPTION_SECONDS = 60


def flip(data):
    """Return the bytes with one that is wrong."""
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def cut(data):
    """Return the bytes without their end."""
    return data[: random.randrange(len(data))]


def damaged(directory, damage):
    """Spool without a receiver, kill, damage, start again with one; return how many spans were lost."""
    sink = Sink(directory / "sink").start()
    spool = {"CLEW_SPOOL_DIR": str(directory / "spool"), "CLEW_FLUSH_INTERVAL": "0.1"}
    first = Emitter(directory / "first", NOBODY, **spool)
    second = None
    try:
        first.wait_for(SPANS)
        time.sleep(1.0)  # ten flushes
        first.kill()
        for segment in (directory / "spool").iterdir():
            segment.write_bytes(damage(segment.read_bytes()))
        second = Emitter(directory / "second", sink.url, **spool)
        second.wait_for(1)
        end = time.monotonic() + ADOPTION_SECONDS
        while any((directory / "spool").glob(f"*{first.pid}*")) and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(1.0)
        second.terminate()
        arrived = sink.ids("traces")
        told = [span.span_id for span in first.told()[:SPANS]]
        assert {span.span_id for span in second.told()} <= set(arrived)
        assert max(arrived.values()) == 1
        return sum(span_id not in arrived for span_id in told)
    finally:
        for program in (first, second):
            if program:
                program.close()
        sink.close()


@pytest.mark.slow
def test_damaged(tell, tmp_path, pace):
    """A segment that is cut or has a wrong byte costs at most what is damaged, and the next start is clean."""
    kinds = (flip, cut) * pace.times(quick=1, whole=10)
    lost = [(kind.__name__, damaged(tmp_path / f"run{number}", kind)) for number, kind in enumerate(kinds)]
    flipped = [count for kind, count in lost if kind == "flip"]
    tell(
        f"segments of {SPANS} spans with one wrong byte, or cut anywhere, {len(kinds)} times",
        f"lost of {SPANS} spans: {lost}".replace("'", ""),
        [f"a wrong byte cost {max(flipped)} spans"] if max(flipped) > BATCH else [],
    )
