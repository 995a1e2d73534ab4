"""The programs under test: start, find their addresses, measure, stop."""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Any

JAEGER_VERSION = "1.76.0"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "clew"


@dataclass
class Server:
    """A running receiver with a read API."""

    name: str
    process: "subprocess.Popen[str]"
    otlp: str
    ui: str
    data: pathlib.Path
    version: str
    took_seconds: float = 0.0
    _cpu: float = field(default=0.0)

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the JSON of a page; raises on an error."""
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        with urllib.request.urlopen(self.ui + path + query, timeout=60) as answer:
            return json.loads(answer.read())

    def rss_mib(self) -> float:
        """Return the memory in use, the highest since the start."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024

    def cpu_seconds(self) -> float:
        """Return the processor time used so far."""
        parts = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")

    def disk_bytes(self) -> int:
        """Return the size of the data directory."""
        return sum(path.stat().st_size for path in self.data.rglob("*") if path.is_file())

    def stop(self) -> None:
        """End it in order."""
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def console(data: pathlib.Path, *arguments: str) -> Server:
    """Start `clew console` on free ports."""
    ports = ["--port", "0", "--otlp-http-port", "0", "--otlp-grpc-port", "0"]
    command = [sys.executable, "-m", "clew_console", *ports, "--data", str(data), *arguments]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in process.stdout or ():
        if found := re.fullmatch(r"console ready ui=(\S+) otlp=(\S+)\n", line):
            seconds = time.monotonic() - began
            return Server("clew console", process, found[2], found[1], data, "", seconds)
    raise RuntimeError("the console did not start")


def jaeger(data: pathlib.Path) -> Server:
    """Start Jaeger all-in-one on free ports, with its embedded store Badger.

    Raises:
        FileNotFoundError: it was not built; `make jaeger` builds it.
    """
    binary = CACHE / "bin" / f"jaeger-all-in-one-{JAEGER_VERSION}"
    http, admin, query, grpc, *others = (_free_port() for _ in range(11))
    data.mkdir(parents=True, exist_ok=True)
    command = [
        str(binary),
        "--badger.ephemeral=false",
        f"--badger.directory-key={data}/keys",
        f"--badger.directory-value={data}/values",
        f"--collector.otlp.http.host-port=127.0.0.1:{http}",
        f"--collector.otlp.grpc.host-port=127.0.0.1:{grpc}",
        f"--query.http-server.host-port=127.0.0.1:{query}",
        f"--query.grpc-server.host-port=127.0.0.1:{others[0]}",
        f"--admin.http.host-port=127.0.0.1:{admin}",
        f"--collector.grpc-server.host-port=127.0.0.1:{others[1]}",
        f"--collector.http-server.host-port=127.0.0.1:{others[2]}",
        "--log-level=error",
    ]
    began = time.monotonic()
    process = subprocess.Popen(
        command, env=os.environ | {"SPAN_STORAGE_TYPE": "badger"}, text=True, stderr=subprocess.DEVNULL
    )
    found = Server(
        "Jaeger (Badger)", process, f"http://127.0.0.1:{http}", f"http://127.0.0.1:{query}", data, JAEGER_VERSION
    )
    while True:
        try:
            found.get("/api/services")
        except OSError:
            if process.poll() is not None or time.monotonic() - began > 60:
                raise
            time.sleep(0.02)
        else:
            found.took_seconds = time.monotonic() - began
            return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
