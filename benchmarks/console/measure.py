"""What is measured: ingest with a search a second, then reads of what is stored."""

import itertools
import json
import random
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.console.server import Server
from benchmarks.processes import ROOT

HOUR_SECONDS = 3600

Ask = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Ingest:
    """How much was taken, how fast, at what cost, and how long the searches beside it took.

    Attributes:
        per_second: Of what was stored, from the first request until the last row was written.
        cpu_us: Processor time of the receiver for each record that was stored, searches included.
        refused: Requests that were told to come again.
        stolen_share: Of the machine's processor time, what its host gave to others.
    """

    server: str
    signal: str
    stored: int
    dropped: int
    per_second: float
    cpu_us: float
    refused: int
    search_p95_ms: float
    peak_rss_mib: float
    stolen_share: float


def p95(milliseconds: list[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(milliseconds, n=20)[-1] if len(milliseconds) > 1 else milliseconds[0]


def send(server: Server, count: int, *arguments: str) -> dict[str, Any]:
    """Send spans (or, with --logs, records) from a program of its own; return what it says of it."""
    command = [sys.executable, "-m", "benchmarks.console.fill", server.otlp, str(count), *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)


def ingest(server: Server, signal: str, count: int, search: Ask) -> tuple[Ingest, dict[str, Any]]:
    """Send to an empty server as fast as it takes, with a search a second; return that and what the sender says."""
    took, done = list[float](), threading.Event()

    def look() -> None:
        while not done.wait(1.0):
            took.append(timed(search))

    watcher = threading.Thread(target=look)
    cpu, machine = server.cpu_seconds(), _machine_times()
    watcher.start()
    try:
        said = send(server, count, *(["--logs"] if signal == "logs" else []))
        settled = server.settled(server)
    finally:
        done.set()
        watcher.join()
    seconds = settled.at_seconds - said["began"]
    result = Ingest(
        server.name,
        signal,
        settled.stored,
        settled.dropped,
        settled.stored / seconds,
        (server.cpu_seconds() - cpu) / settled.stored * 1e6,
        said["refused"],
        p95(took),
        server.peak_rss_mib(),
        stolen_share(machine),
    )
    return result, said


def _machine_times() -> list[int]:
    line = Path("/proc/stat").read_text().splitlines()[0]
    return [int(part) for part in line.split()[1:9]]


def stolen_share(since: list[int]) -> float:
    """Return the share of all processor time since then that the host of a virtual machine gave to others."""
    spent = [now - then for now, then in zip(_machine_times(), since, strict=True)]
    return spent[7] / max(sum(spent), 1)


def timed(call: Ask) -> float:
    """Return how many milliseconds a call takes."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1e3


def times(calls: Iterator[Ask]) -> list[float]:
    """Return how many milliseconds each call takes."""
    return [timed(call) for call in calls]


def recent_failures(server: Server) -> Ask:
    """Return the search that goes beside ingest: the newest failed spans of a service."""
    if server.name.startswith("Jaeger"):
        asked = {"service": "payments", "tags": '{"error":"true"}', "lookback": "1h", "limit": 20}
        return lambda: server.get("/api/traces", **asked)
    query = '{ resource.service.name = "payments" && status = error }'
    return lambda: server.get(
        "/api/search", q=query, start=int(time.time()) - HOUR_SECONDS, end=int(time.time()) + 60, limit=20
    )


QUERIES = (
    "{ status = error }",
    '{ resource.service.name = "payments" && status = error }',
    '{ name = "POST /orders" && duration > 100ms }',
    '{ span.db.collection.name = "stock" && duration > 20ms }',
    "{ span.http.response.status_code >= 200 && kind = server }",
    '{ span.voucher = "SPRING" }',
    "{ duration > 200ms }",
    '{{ span.order.id = "{order}" }}',
)


def searches(server: Server, filled: dict[str, Any], count: int, seed: int = 1) -> Iterator[Ask]:
    """Yield filtered searches over an hour each: by status, duration, name, service, attribute, and a rare value."""
    source = random.Random(seed)
    first, last = filled["first_ns"] // 10**9, filled["last_ns"] // 10**9
    for query in itertools.islice(itertools.cycle(QUERIES), count):
        if "{order}" in query:
            query = query.format(order=source.choice(filled["orders"]))  # noqa: PLW2901 the one with a blank in it
        start = source.randint(first, max(last - HOUR_SECONDS, first))
        asked = {"q": query, "start": start, "end": start + HOUR_SECONDS, "limit": 20}
        yield lambda asked=asked: server.get("/api/search", **asked)


JAEGER_FILTERS = (
    {"service": "payments", "tags": '{"error":"true"}'},
    {"service": "gateway", "operation": "POST /orders", "minDuration": "20ms"},
    {"service": "inventory", "operation": "SELECT stock"},
    {"service": "payments", "tags": '{"voucher":"SPRING"}'},
    {"service": "orders", "tags": '{"order.id":"ORDER"}'},
)


def jaeger_searches(server: Server, filled: dict[str, Any], count: int, seed: int = 1) -> Iterator[Ask]:
    """Yield the nearest that Jaeger can do: by service and operation, tag or duration, 20 traces of an hour."""
    source = random.Random(seed)
    first, last = filled["first_ns"] // 1000, filled["last_ns"] // 1000
    for filters in itertools.islice(itertools.cycle(JAEGER_FILTERS), count):
        asked = {key: value.replace("ORDER", source.choice(filled["orders"])) for key, value in filters.items()}
        start = source.randint(first, max(last - HOUR_SECONDS * 10**6, first))
        asked |= {"start": str(start), "end": str(start + HOUR_SECONDS * 10**6), "limit": "20"}
        yield lambda asked=asked: server.get("/api/traces", **asked)


def lookups(server: Server, filled: dict[str, Any], count: int, seed: int = 1) -> Iterator[Ask]:
    """Yield reads of traces by id, chosen at random over all time; a peer may have lost them, the console not."""
    source = random.Random(seed)
    for trace_id in source.choices(filled["trace_ids"], k=count):
        yield partial(_read_trace, server, trace_id)


def _read_trace(server: Server, trace_id: str) -> None:
    try:
        server.get(f"/api/traces/{trace_id}")
    except urllib.error.HTTPError as error:
        if error.code != 404 or not server.name.startswith("Jaeger"):
            raise


def overviews(server: Server, filled: dict[str, Any], count: int) -> Iterator[Ask]:
    """Yield overviews of an hour and of all time, in turn."""
    last = filled["last_ns"] // 10**9
    for number in range(count):
        start = filled["first_ns"] // 10**9 if number % 2 else last - HOUR_SECONDS
        yield lambda start=start: server.get("/api/overview", start=start, end=last)
