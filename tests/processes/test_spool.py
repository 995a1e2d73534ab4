"""With a spool, records survive the process that made them and a receiver that is away."""

import json
import signal
import sys
import time
from collections import Counter

import pytest

PROGRAM = """
import json, os, sys, time
from instrumentation import get_logger, instrument, span

telemetry = instrument(service_name="spooled")
made = open("made", "w", buffering=1)
first, count = int(sys.argv[1]), int(sys.argv[2])
for number in range(first, first + count):
    with span(f"n {number}"):
        get_logger().info("n", number=number)
    print(number, time.time(), file=made)
    time.sleep(0.002)
if sys.argv[3:] == ["wait"]:
    time.sleep(60)
telemetry.flush(20)
end = time.monotonic() + 40
while sys.argv[3:] == ["adopt"] and time.monotonic() < end:
    books = [telemetry.ledger()[signal] for signal in ("traces", "logs")]
    if all(each["accepted"] > count and not each["queued"] for each in books):
        break
    time.sleep(0.02)
print("LEDGER", json.dumps(telemetry.ledger()), flush=True)
"""
DOWN = "http://127.0.0.1:9"


def made(directory):
    """Return when each record was made, by number."""
    file = directory / "made"
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    return {int(line.split()[0]): float(line.split()[1]) for line in lines if line.endswith("\n")}


def ledger(out):
    return json.loads(next(line for line in out.splitlines() if line.startswith("LEDGER"))[6:])


def command(*arguments):
    return [sys.executable, "program.py", *map(str, arguments)]


@pytest.mark.slow
def test_killed_while_the_receiver_is_away(run, otlp_sink, tmp_path, plain):
    """All that was older than one flush when the process was killed arrives from the next one, once, as its maker's."""
    spool = {"CLEW_SPOOL_DIR": str(tmp_path / "spool")}
    process = run(PROGRAM, wait=False, command=command(0, 2000, "wait"), OTEL_EXPORTER_OTLP_ENDPOINT=DOWN, **spool)
    while len(made(tmp_path)) < 2000:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    killed_at = time.time()
    times = made(tmp_path)
    process.communicate()
    status, out, err = run(PROGRAM, command=command(2000, 1, "adopt"), **spool)
    assert (status, err) == (0, "")
    arrived = Counter(span.name for span in otlp_sink.records("traces"))
    # Four flushes instead of one: on a busy machine the threads that spool may be late.
    old = {f"n {number}" for number, at in times.items() if at < killed_at - 2.0}
    assert old <= set(arrived)
    assert set(arrived.values()) == {1}
    assert len(otlp_sink.records("logs")) >= len(old)
    pids = {plain(resource.attributes)["process.pid"] for resource, _, span in otlp_sink.resources("traces")}
    assert len(pids) == 2
    books = ledger(out)["traces"]
    assert books["accepted"] == books["delivered"] == len(arrived)
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.slow
def test_ended_while_the_receiver_is_away(run, otlp_sink, tmp_path):
    """A process that ends without a receiver loses nothing: it says what it leaves, and the next one delivers that."""
    environment = {"CLEW_SPOOL_DIR": str(tmp_path / "spool"), "CLEW_SHUTDOWN_TIMEOUT": "1"}
    status, out, err = run(
        PROGRAM.replace("telemetry.flush(20)", ""),
        command=command(0, 300),
        OTEL_EXPORTER_OTLP_ENDPOINT=DOWN,
        **environment,
    )
    assert status == 0
    assert "traces 300 = 300 queued; logs 300 = 300 queued" in err
    assert ledger(out)["traces"]["queued"] == 300
    status, out, err = run(PROGRAM, command=command(300, 1, "adopt"), **environment)
    assert (status, err) == (0, "")
    assert sorted(span.name for span in otlp_sink.records("traces")) == sorted(f"n {number}" for number in range(301))
    assert len(otlp_sink.records("logs")) == 301


def test_a_spool_that_cannot_be_written(run, otlp_sink):
    """With a directory that no disk takes, records go from memory as without a spool, with one line about it."""
    status, _, err = run(PROGRAM, command=command(0, 50), CLEW_SPOOL_DIR="/proc/nothing/spool")
    assert status == 0
    assert len(otlp_sink.records("traces")) == len(otlp_sink.records("logs")) == 50
    assert err.count("the spool cannot be written, records wait in memory") == 1


def test_two_processes_share_a_directory(run, otlp_sink, tmp_path):
    """Two living processes on one directory deliver each its own, once."""
    spool = {"CLEW_SPOOL_DIR": str(tmp_path / "spool")}
    processes = [run(PROGRAM, wait=False, command=command(first, 200), **spool) for first in (0, 200)]
    assert [process.communicate(timeout=60)[1] for process in processes] == ["", ""]
    assert sorted(span.name for span in otlp_sink.records("traces")) == sorted(f"n {number}" for number in range(400))
