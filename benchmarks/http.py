"""Cost on an HTTP route: throughput, CPU and latency of each variant, in alternating rounds.

One uvicorn worker (uvloop, httptools) on one core; load and sink on the other.
"""

import contextlib
import json
import sys
import urllib.request
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import closed_loop, fixed_rate
from benchmarks.processes import LOAD_CORE, SERVER_CORE, cpu_seconds, free_port, resident_mib, started
from benchmarks.variants import OTLP, Variant

STEADY_SHARE = 0.6
"""Of bare's throughput: the fixed rate. What is slower than that is driven at this share of its own."""
SLACK = 4 * closed_loop.CONNECTIONS
"""Requests that wrk had sent and not counted when its time was over."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round of one variant.

    Attributes:
        per_second: Requests per second, closed loop.
        cpu_us: CPU of the server per request, microseconds.
        p99_ms: Of latency, closed loop.
        steady_rate: Requests per second of the fixed-rate load.
        steady_p99_ms: Of latency since each request was due, at that rate.
        rss_mib: Memory at the end.
        served: Requests that the load generators counted.
        counts: What the sink counted.
    """

    per_second: float
    cpu_us: float
    p99_ms: float
    steady_rate: float
    steady_p99_ms: float
    rss_mib: float
    served: int
    counts: dict[str, int]


def measure(variants: Iterable[Variant], rounds: int, seconds: int) -> dict[str, list[Round]]:
    """Run the variants side by side, and check that each delivered every record."""
    chosen = tuple(variants)
    results: dict[str, list[Round]] = {variant.name: [] for variant in chosen}
    sink = free_port()
    with started(LOAD_CORE, [sys.executable, "-m", "benchmarks.sink", str(sink)], sink):
        for number in range(rounds):
            bare = 0.0
            for variant in chosen:
                result = one_round(variant, sink, seconds, bare)
                bare = bare or result.per_second
                results[variant.name].append(result)
                sys.stderr.write(f"round {number + 1} {variant.name}: {asdict(result)}\n")
                check(variant, result)
    return results


def one_round(variant: Variant, sink: int, seconds: int, bare: float) -> Round:
    """Start the server, load it twice, stop it, and count at the sink."""
    port, url = free_port(), f"http://127.0.0.1:{sink}"
    programs = Path(sys.executable).parent
    command = [str(programs / part) for part in variant.prefix]
    command += [sys.executable, "-m", "uvicorn", "benchmarks.http_app:app", "--port", str(port), "--loop", "uvloop"]
    command += ["--http", "httptools", "--no-access-log", "--log-level", "warning"]
    environment = {**OTLP, "OTEL_EXPORTER_OTLP_ENDPOINT": url, "DD_TRACE_AGENT_URL": url, "SETUP": variant.setup}
    environment |= {"LOG": str(int(variant.log_call)), **variant.environment}
    target = f"http://127.0.0.1:{port}/items/42?q=1"
    with contextlib.ExitStack() as stack:
        pid = stack.enter_context(started(SERVER_CORE, command, port, **environment))
        served = closed_loop.drive(target, 1).requests
        before = cpu_seconds(pid)
        full = closed_loop.drive(target, seconds)
        used = cpu_seconds(pid) - before
        rate = STEADY_SHARE * min(bare or full.per_second, full.per_second)
        steady = fixed_rate.drive(port, rate, seconds)
        rss = resident_mib(pid)
    with urllib.request.urlopen(f"{url}/") as answer:
        counts = json.load(answer)
    served += full.requests + steady.requests
    cpu_us = used / full.requests * 1e6
    return Round(full.per_second, cpu_us, full.p99_ms, rate, steady.p99_ms, rss, served, counts)


def check(variant: Variant, result: Round) -> None:
    """End the program if the kit lost or doubled a record; others are shown with what they delivered."""
    if variant.setup != "kit":
        return
    wanted = {"server_spans": variant.spans, "observations": variant.metrics, "logs": variant.logs}
    for name, times in wanted.items():
        least, most = result.served * times, (result.served + SLACK) * times
        if not least <= result.counts[name] <= most:
            sys.exit(f"{variant.name}: {least} to {most} {name} were to arrive, {result.counts[name]} did")
