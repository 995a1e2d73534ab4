"""A receiver under test: started on free ports, asked, measured, stopped."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of all that was accepted, and when that was so, on the monotonic clock."""

    stored: int
    dropped: int
    at_seconds: float


@dataclass
class Server:
    """A running receiver with a read API.

    Attributes:
        otlp: Where OTLP/HTTP is taken.
        ui: Where it is read.
        settled: Waits until nothing that was accepted is waiting to be stored.
        start_seconds: From its start until it answered.
    """

    name: str
    process: "subprocess.Popen[str]"
    otlp: str
    ui: str
    data: Path
    settled: "Callable[[Server], Settled]"
    start_seconds: float = 0.0

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the JSON of a page; raises on an error."""
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        with urllib.request.urlopen(self.ui + path + query, timeout=60) as answer:
            return json.loads(answer.read())

    def peak_rss_mib(self) -> float:
        """Return the most memory it has had since its start."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024

    def cpu_seconds(self) -> float:
        """Return the processor time used so far."""
        parts = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it in order; by force when it does not within a minute."""
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Stop it at the end, unless it is gone."""
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


def console(data: Path, *arguments: str) -> Server:
    """Start `clew console` on free ports."""
    ports = ["--port", "0", "--otlp-http-port", "0", "--otlp-grpc-port", "0"]
    command = [sys.executable, "-m", "clew_console", *ports, "--data", str(data), *arguments]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in process.stdout or ():
        if found := re.fullmatch(r"console ready ui=(\S+) otlp=(\S+)\n", line):
            took = time.monotonic() - began
            return Server("Clew console", process, found[2], found[1], data, _written, took)
    raise RuntimeError("the console did not start")


def _written(server: Server) -> Settled:
    while (health := server.get("/healthz"))["queued_bytes"]:
        time.sleep(0.02)
    return Settled(health["written_rows"], health["dropped_rows"], time.monotonic())


def disk_bytes(data: Path) -> int:
    """Return the size of all files of a data directory; a file may go meanwhile."""
    total = 0
    for folder, _, names in os.walk(data):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_size  # noqa: PTH116, PTH118 four times as fast, and asked while it writes
            except FileNotFoundError:
                continue
    return total
