"""The queue's bounds and its exact counts."""

import sys
import threading

import pytest

from instrumentation.pipeline.ledger import Ledger
from instrumentation.pipeline.queue import MAX_RECORD_BYTES, RECORD_OVERHEAD_BYTES, Budget, RecordQueue


@pytest.fixture
def ledger():
    return Ledger()


def test_order(ledger):
    """Records come out in the order they went in, at most as many as asked for."""
    queue = RecordQueue(ledger.account("traces"), Budget())
    for name in (b"a", b"b", b"c"):
        queue.add(b"s", name)
    assert queue.take(2, 1000) == [(b"s", b"a"), (b"s", b"b")]
    assert queue.take(2, 1000) == [(b"s", b"c")]
    assert queue.take(2, 1000) == []


def test_take_is_bounded_in_bytes(ledger):
    """A batch stays below its bytes, but for a single record that is larger."""
    queue = RecordQueue(ledger.account("traces"), Budget())
    for size in (600, 600, 5000, 1):
        queue.add(b"s", b"x" * size)
    assert [[len(record) for _, record in queue.take(9, 1000)] for _ in range(4)] == [[600], [600], [5000], [1]]


def test_full(ledger):
    """Beyond the memory bound, shared by all signals, the newest record is dropped and counted."""
    budget = Budget(10 * (100 + RECORD_OVERHEAD_BYTES))
    traces = RecordQueue(ledger.account("traces"), budget)
    logs = RecordQueue(ledger.account("logs"), budget)
    for number in range(8):
        traces.add(b"s", b"%0100d" % number)
    for number in range(8):
        logs.add(b"s", b"%0100d" % number)
    books = ledger.snapshot().signals
    assert (books["traces"].queued, books["logs"].queued) == (8, 2)
    assert (books["logs"].accepted, books["logs"].dropped["queue_full"]) == (8, 6)
    assert [record for _, record in logs.take(9, 9999)] == [b"%0100d" % 0, b"%0100d" % 1]


def test_too_big(ledger):
    """A record over 1 MiB is dropped, whatever room there is."""
    queue = RecordQueue(ledger.account("traces"), Budget())
    for size in (MAX_RECORD_BYTES, MAX_RECORD_BYTES + 1):
        queue.add(b"s", b"x" * size)
    books = ledger.snapshot().signals["traces"]
    assert (books.queued, books.dropped["too_big"]) == (1, 1)


def test_record_bound(ledger):
    """With a bound in records the newest is dropped beyond it."""
    queue = RecordQueue(ledger.account("traces"), Budget(), max_records=2)
    for _ in range(5):
        queue.add(b"s", b"x")
    books = ledger.snapshot().signals["traces"]
    assert (books.queued, books.dropped["queue_full"]) == (2, 3)


def test_one_start_and_few_rings(ledger):
    """The first record starts the flusher; it is rung once when a wake's worth is held, not once per record."""
    budget = Budget(1 << 20, wake_bytes=10_000)
    starts, rings = [], []
    budget.start = lambda: starts.append(1)
    ring = budget.bell.ring

    class Bell:
        def ring(self):
            rings.append(1)
            ring()

    budget.bell = Bell()
    queue = RecordQueue(ledger.account("traces"), budget)
    for _ in range(500):
        queue.add(b"s", b"x" * 100)
    assert (len(starts), len(rings)) == (1, 1)
    queue.take(1000, 1 << 20)
    budget.rearm(0)
    for _ in range(500):
        queue.add(b"s", b"x" * 100)
    assert (len(starts), len(rings)) == (1, 2)


def test_closed(ledger):
    """After the end every record is dropped as `shutdown`."""
    budget = Budget()
    queue = RecordQueue(ledger.account("traces"), budget)
    budget.close()
    queue.add(b"s", b"x")
    assert ledger.snapshot().signals["traces"].dropped["shutdown"] == 1


def test_exact_under_threads(ledger):
    """With threads adding while one takes and another looks, no record is lost or counted twice, at any moment."""
    account = ledger.account("traces")
    budget = Budget(600 * (10 + RECORD_OVERHEAD_BYTES))
    queue = RecordQueue(account, budget)
    per_thread, threads = 15_000, 4
    stop, looks, taken = threading.Event(), [], []

    def add():
        for _ in range(per_thread):
            queue.add(b"s", b"0123456789")

    def take():
        while not stop.is_set() or queue:
            batch = queue.take(100, 1 << 20)
            taken.append(len(batch))
            account.settle(len(batch))
            budget.rearm(queue.waiting_bytes())

    def look():
        while not stop.is_set():
            looks.append(ledger.snapshot().signals["traces"].accepted)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        others = [threading.Thread(target=take), threading.Thread(target=look)]
        adders = [threading.Thread(target=add) for _ in range(threads)]
        for thread in (*others, *adders):
            thread.start()
        for thread in adders:
            thread.join()
        stop.set()
        for thread in others:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    books = ledger.snapshot().signals["traces"]
    assert books.accepted == per_thread * threads
    assert books.delivered == sum(taken)
    assert books.delivered + books.dropped["queue_full"] == per_thread * threads
    assert looks == sorted(looks)
