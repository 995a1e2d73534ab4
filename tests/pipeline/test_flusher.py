"""The flusher's promises: what is sent when, what is held, what ends in which count."""

import os
import threading
import time

import pytest
from opentelemetry import context

from instrumentation.signals.delivery import DELIVERED, Outcome, Verdict


def test_batches(make):
    """A backlog is sent in batches of the configured size, in order."""
    p = make(batch_records=2)
    p.add(b"1", b"2", b"3", b"4", b"5")
    assert p.flusher.force_flush(5)
    assert b" ".join(p.exporters["traces"].bodies) == b"1 2 3 4 5"
    assert max(len(body.split()) for body in p.exporters["traces"].bodies) == 2
    assert p.books() == (5, 5, 0, {})


def test_thread_is_lazy(make):
    """Without a record there is no thread, and shutdown is still complete."""
    p = make()
    before = threading.active_count()
    assert threading.active_count() == before
    p.add(b"1")
    p.wait_for(lambda: any(t.name == "clew-flusher" for t in threading.enumerate()))
    assert p.flusher.shutdown(5)
    p.wait_for(lambda: threading.active_count() == before)


def test_full_batch_needs_no_interval(make):
    """Much held memory wakes the flusher long before its interval."""
    p = make(max_bytes=1 << 20)
    for _ in range(20):
        p.add(b"x" * 5000)
    p.wait_for(lambda: p.books()[1] >= 10)


def test_instrumentation_is_suppressed(make):
    """Exports run with the suppression flags set, so that nothing traces them."""
    p = make()
    seen = []
    deliver = p.exporters["traces"].export

    def export(body, deadline):
        seen.append(context.get_value("suppress_instrumentation"))
        seen.append(context.get_value(context._SUPPRESS_INSTRUMENTATION_KEY))
        return deliver(body, deadline)

    p.exporters["traces"].export = export
    p.add(b"1")
    assert p.flusher.force_flush(5)
    assert seen == [True, True]


def test_exporter_that_raises(make):
    """An exporter that raises costs the batch, counted as rejected, and nothing after it."""
    p = make()
    p.exporters["traces"].outcomes = [RuntimeError("boom")]
    p.add(b"1")
    assert p.flusher.force_flush(5)
    p.add(b"2")
    assert p.flusher.force_flush(5)
    assert p.books() == (2, 1, 0, {"rejected": 1})
    assert b"clew: traces: refused: the exporter raised RuntimeError: boom\n" in p.lines


def test_encoder_that_raises(make):
    """A record that cannot be encoded is dropped by itself; its batch arrives."""
    p = make()
    p.add(b"1", b"2", b"unencodable", b"3")
    assert p.flusher.force_flush(5)
    assert b" ".join(p.exporters["traces"].bodies) == b"1 2 3"
    assert p.books() == (4, 3, 0, {"encode_error": 1})


def test_held_while_down(make):
    """While the receiver is down, records stay queued within the bound, and the newest are dropped beyond it."""
    p = make(max_bytes=64 * 1024)
    p.exporters["traces"].down = True
    p.add(*[b"x" * 888] * 100)
    assert not p.flusher.force_flush(0.2)
    p.add(*[b"x" * 888] * 100)
    accepted, delivered, queued, dropped = p.books()
    assert (accepted, delivered) == (200, 0)
    assert 60 <= queued <= 66
    assert dropped == {"queue_full": 200 - queued}
    p.exporters["traces"].down = False
    assert p.flusher.force_flush(10)
    assert p.books()[1] == queued


def test_one_lane_down(make):
    """A signal whose receiver is down does not hold up the others."""
    p = make(signals=("traces", "logs"))
    p.exporters["traces"].down = True
    p.add(b"1")
    p.add(b"2", signal="logs")
    assert not p.flusher.force_flush(0.3)
    assert p.books("logs") == (1, 1, 0, {})


def test_backoff_spares_the_receiver(make):
    """While the receiver is down attempts get rarer: a second of outage costs few requests."""
    p = make(flush_seconds=0.01)
    p.exporters["traces"].down = True
    p.add(b"1")
    assert not p.flusher.force_flush(1.0)
    assert 1 <= len(p.exporters["traces"].bodies) <= 12


def test_flush_times_out(make):
    """A flush whose exporter is stuck returns False at its timeout."""
    p = make()
    p.exporters["traces"].gate.clear()
    p.add(b"1")
    started = time.monotonic()
    assert not p.flusher.force_flush(0.2)
    assert time.monotonic() - started < 1


def test_flush_under_load(make):
    """A flush ends although records keep coming: it sends what there was when it was called."""
    p = make()
    stop = threading.Event()

    def load():
        while not stop.is_set():
            p.add(b"x")
            time.sleep(0)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        assert p.flusher.force_flush(10)
    finally:
        stop.set()
        thread.join()


def test_shutdown_with_a_stuck_exporter(make):
    """One deadline holds for all signals; what is left is counted, and a late success does not count twice."""
    p = make(signals=("traces", "logs"))
    for signal in ("traces", "logs"):
        p.exporters[signal].gate.clear()
        p.add(b"1", b"2", signal=signal)
    started = time.monotonic()
    assert not p.flusher.shutdown(0.4)
    assert time.monotonic() - started < 1
    expected = [(2, 0, 0, {"shutdown": 2})] * 2
    assert [p.books("traces"), p.books("logs")] == expected
    for signal in ("traces", "logs"):
        p.exporters[signal].gate.set()
    p.wait_for(lambda: not p.flusher._thread.is_alive())
    assert [p.books("traces"), p.books("logs")] == expected


def test_shutdown_twice(make):
    """Shutdown may be called again, and answers the same."""
    p = make()
    p.add(b"1")
    assert p.flusher.shutdown(5)
    assert p.flusher.shutdown(5)
    assert not p.flusher.force_flush(1)
    assert p.exporters["traces"].bodies == [b"1"]


def test_metrics_are_collected(make):
    """Metrics are collected each interval and delivered point for point."""
    p = make(signals=(), collect=lambda: ({b"s": [b"m1", b"m2"]}, 7), interval=0.01)
    p.flusher.start()
    p.wait_for(lambda: p.books("metrics")[1] >= 21)
    assert p.exporters["metrics"].bodies[0] == b"m1 m2"


def test_newest_metrics_win(make):
    """While the receiver is down one collection waits; it is refreshed, and its points are counted once."""
    values = iter(range(10_000))
    p = make(signals=(), collect=lambda: ({b"s": [b"v%d" % next(values)]}, 3), interval=0.01)
    p.exporters["metrics"].down = True
    p.flusher.start()
    p.wait_for(lambda: next(values) > 30)
    assert p.books("metrics") == (3, 0, 3, {})
    p.exporters["metrics"].down = False
    assert p.flusher.shutdown(5)
    accepted, delivered, queued, dropped = p.books("metrics")
    assert (accepted, queued, dropped) == (delivered, 0, {})


def test_metrics_are_halved_with_their_points(make):
    """A collection that is too large is halved, and the sum of its points stays right."""
    p = make(signals=(), collect=lambda: ({b"s": [b"a", b"b", b"c"]}, 10))
    p.exporters["metrics"].outcomes = [Outcome(Verdict.TOO_LARGE), DELIVERED]
    assert p.flusher.force_flush(5)
    assert p.exporters["metrics"].bodies == [b"a b c", b"a", b"b c"]
    assert p.books("metrics") == (10, 10, 0, {})


def test_collect_that_raises(make):
    """A callback that raises costs one collection, and shutdown still ends."""

    def collect():
        raise RuntimeError("boom")

    p = make(signals=(), collect=collect)
    assert p.flusher.shutdown(5)
    assert p.books("metrics") == (1, 0, 0, {"encode_error": 1})


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_forked_child(make):
    """A forked child counts what it inherited as `fork`, sends only its own, and its parent loses nothing."""
    p = make()
    p.exporters["traces"].down = True
    p.add(b"1", b"2")
    assert not p.flusher.force_flush(0.1)
    pid = os.fork()
    if pid == 0:
        try:
            inherited = p.books()
            p.exporters["traces"].down = False
            del p.exporters["traces"].bodies[:]
            p.add(b"child")
            flushed = p.flusher.force_flush(5)
            right = (
                inherited == (2, 0, 0, {"fork": 2})
                and flushed
                and p.exporters["traces"].bodies == [b"child"]
                and p.books() == (3, 1, 0, {"fork": 2})
            )
            os._exit(0 if right else 1)
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    p.exporters["traces"].down = False
    assert p.flusher.force_flush(10)
    assert p.books() == (2, 2, 0, {})
