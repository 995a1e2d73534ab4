"""Jaeger all-in-one with its embedded store: built from its Go module like the stack's programs, and started."""

import os
import re
import subprocess
import time
import urllib.request
from pathlib import Path

from benchmarks.console.server import Server, Settled
from benchmarks.processes import free_port
from stack.build import build
from stack.recipe import Recipe

RECIPE = Recipe(
    "jaeger-all-in-one",
    "1.76.0",
    "github.com/jaegertracing/jaeger@v1.76.0",
    "cmd/all-in-one",
    "github.com/jaegertracing/jaeger/internal/version.latestVersion",
    version_flag="version",
)
START_SECONDS = 60
SETTLED_SECONDS = 1.0
"""After its counters have stood still for so long, nothing is waiting any more."""


def jaeger(data: Path) -> Server:
    """Start it with Badger on free ports; the first time it is built, which takes minutes.

    Its queue holds as many spans as the console's has room for, instead of 2000: with that it drops most of a load
    like this one.
    """
    http, grpc, query, query_grpc, admin, old_http, old_grpc = (free_port() for _ in range(7))
    data.mkdir(parents=True, exist_ok=True)
    command = [
        str(build(RECIPE)),
        "--badger.ephemeral=false",
        f"--badger.directory-key={data}/keys",
        f"--badger.directory-value={data}/values",
        "--collector.queue-size=100000",
        f"--collector.otlp.http.host-port=127.0.0.1:{http}",
        f"--collector.otlp.grpc.host-port=127.0.0.1:{grpc}",
        f"--collector.http-server.host-port=127.0.0.1:{old_http}",
        f"--collector.grpc-server.host-port=127.0.0.1:{old_grpc}",
        f"--query.http-server.host-port=127.0.0.1:{query}",
        f"--query.grpc-server.host-port=127.0.0.1:{query_grpc}",
        f"--admin.http.host-port=127.0.0.1:{admin}",
        "--log-level=error",
    ]
    began = time.monotonic()
    process = subprocess.Popen(
        command, env={**os.environ, "SPAN_STORAGE_TYPE": "badger"}, text=True, stderr=subprocess.DEVNULL
    )
    counters = f"http://127.0.0.1:{admin}/metrics"

    def settled(server: Server) -> Settled:
        del server
        return _settled(counters)

    server = Server("Jaeger (Badger)", process, f"http://127.0.0.1:{http}", f"http://127.0.0.1:{query}", data, settled)
    while True:
        try:
            server.get("/api/services")
        except OSError:
            if process.poll() is not None or time.monotonic() - began > START_SECONDS:
                raise
            time.sleep(0.02)
        else:
            server.start_seconds = time.monotonic() - began
            return server


def _settled(counters: str) -> Settled:
    last, since = _counted(counters), time.monotonic()
    while time.monotonic() - since < SETTLED_SECONDS:
        time.sleep(0.05)
        if (now := _counted(counters)) != last:
            last, since = now, time.monotonic()
    return Settled(*last, since)


def _counted(counters: str) -> tuple[int, int]:
    """Return spans saved and dropped."""
    with urllib.request.urlopen(counters, timeout=20) as answer:
        text = answer.read().decode()

    def total(pattern: str) -> int:
        return int(sum(float(found) for found in re.findall(rf"^{pattern}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)))

    return total("jaeger_collector_spans_saved_by_svc_total"), total("jaeger_collector_spans_dropped_total")
