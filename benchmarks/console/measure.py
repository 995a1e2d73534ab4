"""What is measured: ingest with a search a second, look-ups at a given number of stored spans, size, a kill."""

import json
import pathlib
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from server import Server

HERE = pathlib.Path(__file__).parent
HOUR_SECONDS = 3600


@dataclass(frozen=True)
class Ingest:
    """How much was taken, how fast, at what cost, and how long the searches beside it took."""

    per_second: float
    cpu_us: float
    refused: int
    search_p95_ms: float
    rss_mib: float
    filled: dict[str, Any]


def p95(milliseconds: list[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(milliseconds, n=20)[-1] if len(milliseconds) > 1 else milliseconds[0]


def send(server: Server, count: int, *arguments: str) -> dict[str, Any]:
    """Send spans (or, with --logs, records) from a program of its own; wait until all are written."""
    command = [sys.executable, str(HERE / "fill.py"), server.otlp, str(count), *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def ingest(server: Server, count: int, search: Callable[[], object], *arguments: str) -> Ingest:
    """Send as fast as it is taken, with a search a second."""
    took, done = list[float](), threading.Event()

    def look() -> None:
        while not done.wait(1.0):
            took.append(timed(search))

    watcher = threading.Thread(target=look)
    cpu = server.cpu_seconds()
    began = time.monotonic()
    watcher.start()
    filled = send(server, count, *arguments)
    written(server)
    seconds = time.monotonic() - began
    done.set()
    watcher.join()
    cpu_us = (server.cpu_seconds() - cpu) / filled["sent"] * 1e6
    # The sender makes its templates first; what counts is from its first request to the last row written.
    startup = seconds - filled["seconds"] if seconds - filled["seconds"] < 1.5 else 0.0
    per_second = filled["sent"] / (seconds - startup)
    return Ingest(per_second, cpu_us, filled["refused"], p95(took) if took else 0.0, server.rss_mib(), filled)


def written(server: Server) -> None:
    """Wait until the console has written all it has accepted. Jaeger tells nothing of it, and is not waited for."""
    if server.version:
        return
    while server.get("/healthz").get("queued_bytes", 0):
        time.sleep(0.02)


def timed(call: Callable[[], object]) -> float:
    """Return how many milliseconds a call takes."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1e3


def times(calls: Iterator[Callable[[], object]]) -> list[float]:
    """Return how many milliseconds each call takes."""
    return [timed(call) for call in calls]


def searches(server: Server, filled: dict[str, Any], count: int, seed: int = 1) -> Iterator[Callable[[], object]]:
    """Yield filtered searches over an hour each: by status, duration, name, service, attribute, and a rare value."""
    source = random.Random(seed)
    queries = (
        "{ status = error }",
        '{ resource.service.name = "payments" && status = error }',
        '{ name = "POST /orders" && duration > 100ms }',
        '{ span.db.collection.name = "stock" && duration > 20ms }',
        '{ span.http.response.status_code >= 200 && kind = server }',
        '{ span.voucher = "SPRING" }',
        "{ duration > 200ms }",
        'order',
    )  # fmt: skip
    for number in range(count):
        query = queries[number % len(queries)]
        if query == "order":
            query = f'{{ span.order.id = "{source.choice(filled["orders"])}" }}'
        start = source.randint(
            filled["first_ns"] // 10**9, max(filled["last_ns"] // 10**9 - HOUR_SECONDS, filled["first_ns"] // 10**9)
        )
        yield lambda query=query, start=start: server.get(
            "/api/search", q=query, start=start, end=start + HOUR_SECONDS, limit=20
        )


def jaeger_searches(
    server: Server, filled: dict[str, Any], count: int, seed: int = 1
) -> Iterator[Callable[[], object]]:
    """Yield the nearest that Jaeger can do: by service and operation, tag or duration, 20 traces of an hour."""
    source = random.Random(seed)
    filters = (
        {"service": "payments", "tags": '{"error":"true"}'},
        {"service": "gateway", "operation": "POST /orders", "minDuration": "20ms"},
        {"service": "inventory", "operation": "SELECT stock"},
        {"service": "payments", "tags": '{"voucher":"SPRING"}'},
        {"service": "orders", "tags": "order"},
    )
    for number in range(count):
        chosen = dict(filters[number % len(filters)])
        if chosen.get("tags") == "order":
            chosen["tags"] = json.dumps({"order.id": source.choice(filled["orders"])})
        first, last = filled["first_ns"] // 1000, filled["last_ns"] // 1000
        start = source.randint(first, max(last - HOUR_SECONDS * 10**6, first))
        yield lambda chosen=chosen, start=start: server.get(
            "/api/traces", **chosen, start=start, end=start + HOUR_SECONDS * 10**6, limit=20
        )


def lookups(server: Server, filled: dict[str, Any], count: int, seed: int = 1) -> Iterator[Callable[[], object]]:
    """Yield reads of traces by id, chosen at random over all time."""
    source = random.Random(seed)
    for trace_id in source.choices(filled["trace_ids"], k=count):
        yield lambda trace_id=trace_id: server.get(f"/api/traces/{trace_id}")


def overviews(server: Server, filled: dict[str, Any], count: int) -> Iterator[Callable[[], object]]:
    """Yield overviews of an hour and of all time, in turn."""
    last = filled["last_ns"] // 10**9
    for number in range(count):
        start = filled["first_ns"] // 10**9 if number % 2 else last - HOUR_SECONDS
        yield lambda start=start: server.get("/api/overview", start=start, end=last)
