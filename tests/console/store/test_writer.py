"""The writer: bounded, batched, isolated from bad data."""

import sqlite3
import threading

from clew_console.store import writer as writer_module
from clew_console.store.directory import Directory
from clew_console.store.writer import Batch, Writer


def _insert(name: str):
    return lambda pending: pending.identities.operation("service", name)


def _names(directory: Directory) -> set[str]:
    with sqlite3.connect(directory.segments()[0].path) as connection:
        found = {name for (name,) in connection.execute("SELECT name FROM operation")}
    connection.close()
    return found


def test_a_full_queue_refuses_and_takes_again(tmp_path):
    """While the writer is stuck only the bound is queued; once it goes on there is room again."""
    directory, started, go = Directory(tmp_path), threading.Event(), threading.Event()
    writer = Writer(directory, max_queued_bytes=100)
    writer.start()

    def stuck(_):
        started.set()
        go.wait(5)

    assert writer.submit(Batch(stuck, 1, 60))
    assert started.wait(5)
    assert writer.submit(Batch(_insert("fits"), 1, 40))
    assert not writer.submit(Batch(_insert("too much"), 1, 1))
    go.set()
    assert writer.stop(5)
    assert not writer.submit(Batch(_insert("after the end"), 1, 1))
    assert _names(directory) == {"fits"}
    directory.close()


def test_a_batch_that_cannot_be_written_costs_only_itself(tmp_path):
    """A batch that fails is dropped and counted; those of the same transaction are written."""
    directory = Directory(tmp_path)
    writer = Writer(directory)

    def broken(_):
        raise ValueError("no row")

    for batch in (Batch(_insert("before"), 1, 1), Batch(broken, 7, 1), Batch(_insert("behind"), 1, 1)):
        assert writer.submit(batch)
    writer.start()
    assert writer.stop(5)
    assert (_names(directory), writer.written_rows, writer.dropped_rows) == ({"before", "behind"}, 2, 7)
    directory.close()


def test_a_full_disk_is_tried_again(tmp_path, monkeypatch):
    """A transaction that the disk refuses is written once the disk takes it."""
    monkeypatch.setattr(writer_module, "RETRY_SECONDS", 0.01)
    directory, failures = Directory(tmp_path), iter([True, True, False])
    writer = Writer(directory)
    written = threading.Event()

    def refused_twice(pending):
        if next(failures):
            raise sqlite3.OperationalError("database or disk is full")
        pending.identities.operation("service", "kept")
        written.set()

    writer.start()
    assert writer.submit(Batch(refused_twice, 1, 1))
    assert written.wait(5)
    assert writer.stop(5)
    assert (_names(directory), writer.dropped_rows) == ({"kept"}, 0)
    directory.close()
