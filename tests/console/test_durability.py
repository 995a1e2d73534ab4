"""A real console process that is killed, cannot follow, or is full."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from clew_console.search.scan import scan
from clew_console.search.time_range import MAX_TIME_NS, TimeRange
from clew_console.store.directory import Directory

PROTOBUF = {"content-type": "application/x-protobuf"}
MIB = 1 << 20


@dataclass
class Process:
    """A console in a process of its own; `output` gathers what it says."""

    popen: "subprocess.Popen[str]"
    ui: str
    otlp: str
    grpc: str
    output: list[str]
    reader: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self._read)

    def _read(self) -> None:
        with self.popen.stdout as said:
            self.output.extend(said)

    def health(self) -> dict[str, int]:
        return httpx.get(f"{self.ui}/healthz", timeout=10).json()

    def stop(self) -> None:
        self.popen.terminate()
        assert self.popen.wait(20) == 0
        self.reader.join(10)


@pytest.fixture
def run_console(tmp_path):
    """Return a function that starts a console on the test's directory; the last one is ended with the test."""
    started: list[Process] = []

    def run(*arguments: str) -> Process:
        ports = ["--port", "0", "--otlp-http-port", "0", "--otlp-grpc-port", "0"]
        command = [sys.executable, "-m", "clew_console", *ports, "--data", str(tmp_path / "data"), *arguments]
        popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        output: list[str] = []
        for line in popen.stdout:
            output.append(line)
            if found := re.fullmatch(r"console ready ui=(\S+) otlp=(\S+)\n", line):
                grpc = next(one.split()[1] for one in output if one.startswith("OTLP/gRPC"))
                started.append(Process(popen, found[1], found[2], grpc, output))
                started[-1].reader.start()
                return started[-1]
        raise AssertionError("".join(output))

    yield run
    for one in started:
        if one.popen.poll() is None:
            one.popen.kill()
        one.popen.wait(10)
        one.reader.join(10)


def _stored(path: Path) -> list[bytes]:
    directory = Directory(path)
    hits = list(scan(directory, None, TimeRange(0, MAX_TIME_NS)))
    found = [hit.block.span_id(position) for hit in hits for position in hit.positions]
    directory.close()
    return found


def _send_until_gone(otlp: str, make, acknowledged: list[bytes]) -> None:
    """Send requests of 50 spans one after the other; remember the ids of those that were answered with 200."""
    with httpx.Client(timeout=10, headers=PROTOBUF) as client:
        while True:
            spans = [make.span(attributes={"n": number}) for number in range(50)]
            try:
                answer = client.post(f"{otlp}/v1/traces", content=make.traces(*spans).SerializeToString())
            except httpx.TransportError:
                return
            if answer.status_code == 200:
                acknowledged.extend(span.span_id for span in spans)


def test_a_killed_console_loses_nothing_it_acknowledged(run_console, make, tmp_path):
    """Three times killed by SIGKILL in the midst of ingest: every acknowledged span is stored, and stored once."""
    acknowledged: list[bytes] = []
    for seconds in (0.25, 0.4, 0.33):
        console = run_console()
        senders = [threading.Thread(target=_send_until_gone, args=(console.otlp, make, acknowledged)) for _ in range(2)]
        for sender in senders:
            sender.start()
        senders[0].join(seconds)
        os.kill(console.popen.pid, signal.SIGKILL)
        for sender in senders:
            sender.join(20)
    console = run_console()
    console.stop()
    stored = _stored(tmp_path / "data")
    assert len(acknowledged) >= 300
    assert set(acknowledged) <= set(stored)
    assert len(stored) == len(set(stored))


SENDER = """
import sys
from instrumentation import instrument, span
telemetry = instrument(service_name=sys.argv[1])
for number in range(600):
    with span("work", number=number):
        pass
while not telemetry.flush(30):
    pass
print(telemetry.ledger())
telemetry.shutdown(5)
"""


@pytest.mark.slow
def test_a_console_that_cannot_follow_makes_senders_wait(run_console, tmp_path):
    """With room for one request, senders over HTTP and gRPC are refused and try again until all has arrived."""
    console = run_console("--max-queue", "1")
    environments = (
        {"OTEL_EXPORTER_OTLP_ENDPOINT": console.otlp, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": console.grpc, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    )
    senders = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SENDER), f"sender-{number}"],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number, environment in enumerate(environments)
    ]
    said = [sender.communicate(timeout=60)[0] for sender in senders]
    assert [sender.returncode for sender in senders] == [0, 0], said
    assert console.health()["refused_requests"] > 0
    console.stop()
    stored = _stored(tmp_path / "data")
    assert len(stored) == len(set(stored)) == 1200, said


def test_a_refusal_says_when_to_come_again(run_console, make):
    """While one request waits to be stored the next is answered 503 with Retry-After, and taken later."""
    console = run_console("--max-queue", "1")
    body = make.traces(make.span()).SerializeToString()
    with httpx.Client(timeout=10, headers=PROTOBUF) as client:
        answers = [client.post(f"{console.otlp}/v1/traces", content=body) for _ in range(10)]
        refused = [one for one in answers if one.status_code == 503]
        assert refused
        assert {one.headers["retry-after"] for one in refused} == {"1"}
        assert {one.status_code for one in answers} == {200, 503}
        while client.post(f"{console.otlp}/v1/traces", content=body).status_code != 200:
            time.sleep(0.01)
    console.stop()


@pytest.mark.slow
def test_the_size_cap_holds_while_data_comes(run_console, make, tmp_path):
    """Under a cap of 8 MiB and 25 MiB of noise the directory is never more than 5 % larger; the oldest goes first."""
    console, cap, largest = run_console("--max-size", str(8 * MIB)), 8 * MIB, 0
    names = []
    with httpx.Client(timeout=10, headers=PROTOBUF) as client:
        for number in range(200):
            names.append(make.span(name=f"n{number}", attributes={"noise": os.urandom(1 << 16).hex()}))
            body = make.traces(names[-1]).SerializeToString()
            while client.post(f"{console.otlp}/v1/traces", content=body).status_code != 200:
                largest = max(largest, _size(tmp_path / "data"))
                time.sleep(0.01)
            largest = max(largest, _size(tmp_path / "data"))
        health = console.health()
    console.stop()
    stored = set(_stored(tmp_path / "data"))
    kept = [span.span_id in stored for span in names]
    assert largest <= cap * 1.05
    assert health["pruned_segments"] > 0
    assert any("to hold the size cap" in line for line in console.output)
    assert kept == sorted(kept), "a span is gone that is younger than one that is kept"
    assert kept[-1]
    assert sum(kept) * (1 << 17) > cap // 4


def _size(path: Path) -> int:
    total = 0
    for file in path.rglob("*"):
        try:
            total += file.stat().st_size
        except FileNotFoundError:
            continue
    return total
