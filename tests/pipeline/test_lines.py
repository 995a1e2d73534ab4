"""Lines to a stream that may be slow, stuck or gone."""

import errno
import os
import threading

import pytest

from instrumentation.pipeline.ledger import Ledger
from instrumentation.pipeline.lines import LineWriter


@pytest.fixture
def ledger():
    return Ledger()


def books(ledger):
    books = ledger.snapshot().signals["lines"]
    assert books.accepted == books.delivered + books.queued + sum(books.dropped.values())
    return books.accepted, books.delivered, books.queued, {r: n for r, n in books.dropped.items() if n}


def test_lines_come_out_together(ledger):
    """Lines come out whole and in order, many by one write."""
    writes = []
    lines = LineWriter(ledger, writes.append)
    for number in range(1000):
        lines.write(b"line %d\n" % number)
    assert lines.flush(5)
    assert b"".join(writes) == b"".join(b"line %d\n" % number for number in range(1000))
    assert len(writes) < 20
    assert books(ledger) == (1000, 1000, 0, {})
    assert lines.shutdown(5)


def test_lines_come_out_by_themselves(ledger):
    """A line comes out without a flush, the first one and one after a pause alike."""
    out = threading.Event()
    lines = LineWriter(ledger, lambda _: out.set())
    for _ in range(3):
        lines.write(b"x\n")
        assert out.wait(3)
        out.clear()
    assert lines.shutdown(5)


def test_stuck_reader(ledger):
    """A reader that is stuck stops no writer: lines are held up to the bound, then dropped, then counted at the end."""
    read, write = os.pipe()
    try:
        lines = LineWriter(ledger, lambda data: os.write(write, data))
        for _ in range(5000):
            lines.write(b"x" * 1000 + b"\n")
        assert not lines.flush(0.2)
        accepted, _, queued, dropped = books(ledger)
        assert accepted == 5000
        assert dropped["queue_full"] > 500
        assert queued > 3000
        assert not lines.shutdown(0.2)
        accepted, _, queued, dropped = books(ledger)
        assert (accepted, queued) == (5000, 0)
        assert dropped["shutdown"] > 3000
    finally:
        os.close(read)
        lines._thread.join(5)
        os.close(write)


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC, errno.EBADF])
def test_write_fails(ledger, number):
    """A line that cannot be written is dropped and counted; later lines are tried again."""
    failing = [True]
    written = []

    def write(data):
        if failing[0]:
            raise OSError(number, "no")
        written.append(data)

    lines = LineWriter(ledger, write)
    lines.write(b"lost\n")
    assert lines.flush(5)
    failing[0] = False
    lines.write(b"kept\n")
    assert lines.shutdown(5)
    assert written == [b"kept\n"]
    assert books(ledger) == (2, 1, 0, {"disk_full": 1})


def test_short_writes(ledger):
    """A stream that takes some bytes at a time gets all of them; one that closes in the middle costs the rest."""
    taken = bytearray()

    def write(data):
        if len(taken) >= 8:
            raise ValueError("closed")
        taken.extend(data[:4])
        return 4

    lines = LineWriter(ledger, write)
    for _ in range(3):
        lines.write(b"abc\n")
    assert lines.shutdown(5)
    assert bytes(taken) == b"abc\nabc\n"
    assert books(ledger) == (3, 2, 0, {"rejected": 1})


def test_non_blocking_pipe(ledger):
    """A pipe that someone made non-blocking is waited for, in the writer's own thread."""
    refusals = [True] * 3
    taken = []

    def write(data):
        if refusals:
            refusals.pop()
            raise BlockingIOError(errno.EAGAIN, "full")
        taken.append(data)

    lines = LineWriter(ledger, write)
    lines.write(b"x\n")
    assert lines.shutdown(5)
    assert taken == [b"x\n"]


def test_after_shutdown(ledger):
    """A line after the end is dropped and counted."""
    lines = LineWriter(ledger, lambda _: None)
    assert lines.shutdown(1)
    lines.write(b"x\n")
    assert books(ledger) == (1, 0, 0, {"shutdown": 1})
