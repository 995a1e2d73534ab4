"""What waits to become records: exact counts at every step, and nothing that one bad item costs the others."""

import threading
from typing import NamedTuple

import pytest

from instrumentation.pipeline.intake import CHUNK, MOST_WAITING, Intake
from instrumentation.pipeline.ledger import Ledger
from instrumentation.pipeline.queue import MAX_RECORD_BYTES, Budget, RecordQueue

SIGNALS = ("traces", "logs", "lines")


class Item(NamedTuple):
    """Something that has ended."""

    number: int = 0
    size: int = 100

    def records(self):
        if self.number < 0:
            raise ValueError("cannot be made")
        return tuple((b"scope", b"%d of %d" % (place, self.number)) for place in range(3))


class Big(Item):
    """Something whose records are too big."""

    def records(self):
        return ((b"scope", b"x" * MAX_RECORD_BYTES),) * 3


class Whole:
    """An intake, its queues and its books."""

    def __init__(self, max_bytes=1 << 20):
        self.ledger, self.budget, self.woken = Ledger(), Budget(max_bytes), 0
        budgets = {"traces": self.budget, "logs": self.budget, "lines": Budget()}
        self.queues = [RecordQueue(self.ledger.account(signal), budgets[signal]) for signal in SIGNALS]
        self.intake = Intake(self.ledger, self.budget, self.queues, self.wake)

    def wake(self):
        self.woken += 1

    def counts(self):
        """Return accepted, queued and what was dropped, which is the same for each signal."""
        books = self.ledger.snapshot().signals
        (one,) = {
            (each.accepted, each.queued, tuple((reason, count) for reason, count in each.dropped.items() if count))
            for each in books.values()
        }
        return one


@pytest.fixture
def whole():
    return Whole()


def test_each_item_becomes_a_record_of_each_signal(whole):
    """Items come out in order, one record in each queue, and are in the books from the first moment."""
    for number in range(3 * CHUNK):
        whole.intake.add(Item(number))
    assert whole.counts() == (3 * CHUNK, 3 * CHUNK, ())
    assert whole.intake.make() is True
    assert whole.counts() == (3 * CHUNK, 3 * CHUNK, ())
    for place, queue in enumerate(whole.queues):
        assert queue.take(999, 9999999) == [(b"scope", b"%d of %d" % (place, number)) for number in range(3 * CHUNK)]
    assert whole.counts() == (3 * CHUNK, 3 * CHUNK, ())
    assert whole.intake.make() is False


def test_one_that_cannot_be_made_costs_itself(whole):
    """A failure is counted as `encode_error` in each signal, and its neighbours arrive."""
    for number in (1, -1, 2):
        whole.intake.add(Item(number))
    whole.intake.make()
    assert whole.counts() == (3, 2, (("encode_error", 1),))
    assert whole.queues[0].take(9, 999) == [(b"scope", b"0 of 1"), (b"scope", b"0 of 2")]


def test_somebody_is_woken_once_for_many(whole):
    """The first item after a time of quiet wakes, and no other until its records are made."""
    for _ in range(5):
        whole.intake.add(Item())
    assert whole.woken == 1
    whole.intake.make()
    whole.intake.add(Item())
    assert whole.woken == 2


def test_full():
    """At the memory bound records find no room, but each line does, which has its own; later there is room again."""
    whole = Whole(1000)
    whole.queues[0].add(b"scope", b"x" * 888)
    for number in range(12):
        whole.intake.add(Item(number))
    assert whole.intake.waiting_bytes() == 1200
    whole.intake.make()
    books = whole.ledger.snapshot().signals
    full = {signal: (each.queued, each.dropped["queue_full"]) for signal, each in books.items()}
    assert full == {"traces": (1, 12), "logs": (0, 12), "lines": (12, 0)}
    assert len(whole.queues[2].take(99, 9999)) == 12
    whole.queues[0].take(1, 9999)
    whole.budget.rearm(0)
    whole.intake.add(Item())
    whole.intake.make()
    assert [len(queue) for queue in whole.queues] == [1, 1, 1]


def test_full_and_nobody_makes_records():
    """Where those who make records are held up, whoever adds to many that wait makes some: what waits has a bound."""
    whole = Whole(1000)
    for number in range(2 * MOST_WAITING):
        whole.intake.add(Item(number))
    assert whole.intake.waiting_bytes() <= 100 * (MOST_WAITING + 1)
    whole.intake.make()
    books = whole.ledger.snapshot().signals
    assert {each.accepted for each in books.values()} == {2 * MOST_WAITING}
    assert books["lines"].queued == 2 * MOST_WAITING


def test_a_record_that_is_too_big(whole):
    """A record over 1 MiB is dropped when it is made."""
    whole.intake.add(Big())
    whole.intake.make()
    assert whole.counts() == (1, 0, (("too_big", 1),))


def test_after_the_end(whole):
    """What waits when the books are closed, and what comes later, is dropped as `shutdown`."""
    whole.intake.add(Item(1))
    for signal in SIGNALS:
        whole.ledger.account(signal).abandon()
    whole.intake.make()
    whole.budget.close()
    whole.intake.add(Item(2))
    assert whole.counts() == (2, 0, (("shutdown", 2),))


def test_a_child_leaves_what_it_inherited(whole):
    """In a forked child what waited is counted as dropped `fork`, and the next item wakes again."""
    whole.intake.add(Item(1))
    whole.ledger.forget_parent()
    assert whole.counts() == (1, 0, (("fork", 1),))
    whole.intake.add(Item(2))
    assert (whole.woken, whole.counts()) == (2, (2, 1, (("fork", 1),)))


def test_exact_under_threads(whole):
    """While threads add, make and take, no snapshot shows fewer accepted than the one before, and the sum is right."""
    added, done = 4 * 3000, threading.Event()
    seen = [0]

    def add():
        for number in range(3000):
            whole.intake.add(Item(number, 1))

    def look():
        while not done.is_set():
            whole.intake.make()
            for queue in whole.queues:
                queue._account.settle(len(queue.take(100, 1 << 20)))
            whole.budget.rearm(0)
            accepted = whole.ledger.snapshot().signals["logs"].accepted
            assert accepted >= seen[-1]
            seen.append(accepted)

    looker = threading.Thread(target=look)
    adders = [threading.Thread(target=add) for _ in range(4)]
    for thread in (looker, *adders):
        thread.start()
    for thread in adders:
        thread.join()
    done.set()
    looker.join()
    whole.intake.make()
    assert {each.accepted for each in whole.ledger.snapshot().signals.values()} == {added}
