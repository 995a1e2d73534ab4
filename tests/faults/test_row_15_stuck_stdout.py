"""Row 15: nobody reads stdout, or it is closed."""

import fcntl
import os
import threading

from harness.record import lost

PIPE_BYTES = 4096


def test_stuck_pipe(trial, judge):
    """A reader that stopped stops no request; when it reads again, every line comes."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    read = bytearray()

    def drain():
        while data := os.read(reading, 65536):
            read.extend(data)

    reader = threading.Thread(target=drain)
    attacked = trial(stdout=writing)
    os.close(writing)
    record = attacked.run(lambda: None, reader.start)
    reader.join()
    os.close(reading)
    judge("a pipe of 4 KiB that nobody reads, from the start", record)
    assert record.attacked.books["lines"]["delivered"] == read.count(b"\n") == 2 * len(record.attacked.requests)


def test_full_device(trial, judge):
    """A stdout that takes nothing costs no request; each line is counted as lost."""
    with open("/dev/full", "wb") as full:  # noqa: PTH123 a device
        attacked = trial(stdout=full)
    record = attacked.run(lambda: None, lambda: None)
    judge("/dev/full as stdout", record)
    assert lost(record.attacked.books, "lines") == {"disk_full": 2 * len(record.attacked.requests)}
