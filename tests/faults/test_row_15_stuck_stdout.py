"""Row 15: nobody reads stdout, or it is closed."""

import fcntl
import json
import os
import threading

import pytest
from harness.record import lost

PIPE_BYTES = 4096

CLOSED = """
    import json, os, socket, sys

    if len(sys.argv) == 1:
        os.close(1)
        os.close(2)
        os.execv(sys.executable, [sys.executable, __file__, "closed"])
    ours, theirs = socket.socketpair()
    from instrumentation import get_logger, instrument

    telemetry = instrument(service_name="closed")
    for _ in range(10):
        get_logger().info("said")
    telemetry.flush()
    received = ""
    for end in (ours, theirs):
        end.settimeout(0)
        try:
            received += end.recv(4096).decode()
        except BlockingIOError:
            continue
    with open("seen", "w") as seen:
        json.dump([[ours.fileno(), theirs.fileno()], received, telemetry.ledger()["lines"]], seen)
"""


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
    lines = record.attacked.books["lines"]
    assert lines["delivered"] == read.count(b"\n") == 2 * len(record.attacked.requests) - lines["dropped"]["queue_full"]
    assert attacked.twin is not None or not lines["dropped"]["queue_full"]


@pytest.mark.slow
def test_full_device(trial, judge):
    """A stdout that takes nothing costs no request; each line is counted as lost."""
    with open("/dev/full", "wb") as full:  # noqa: PTH123 a device
        attacked = trial(stdout=full)
    record = attacked.run(lambda: None, lambda: None)
    judge("/dev/full as stdout", record)
    assert lost(record.attacked.books, "lines") == {"disk_full": 2 * len(record.attacked.requests)}


def test_closed(tell, run_program, sink):
    """Where stdout was closed at the start its number is a socket's: no line goes there, and each is a loss."""
    program = run_program(CLOSED, sink)
    assert program.popen.returncode == 0, program.stderr()
    numbers, received, lines = json.loads((program.directory / "seen").read_text())
    tell("stdout and stderr closed at the start, their numbers taken by sockets", f"{len(received)} bytes in a socket")
    assert (numbers, received) == ([1, 2], "")
    assert (lines["delivered"], lines["dropped"]["disk_full"]) == (0, 10)
