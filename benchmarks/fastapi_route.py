"""Cost of the kit on a FastAPI route: throughput and CPU per request, bare against instrumented, alternating.

One uvicorn worker (uvloop, httptools) on one core; wrk with 16 connections, and the sink, on the other. CPU is the
worker's user and system time from /proc, over the requests that wrk counted. Spans and log records are counted at the
sink.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent


class Round(NamedTuple):
    """One round of load.

    Attributes:
        rps: Requests per second.
        cpu_us: CPU of the server per request, microseconds.
        p99_ms: 99th percentile of latency.
        requests: How many were answered.
    """

    rps: float
    cpu_us: float
    p99_ms: float
    requests: int


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def started(command: list[str], port: int, **environment: str) -> Iterator[int]:
    """Run a program until it serves its port; stop it at the end. Yields its process id."""
    process = subprocess.Popen(command, env={**os.environ, **environment}, cwd=HERE, stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.1):
                break
            if process.poll() is not None:
                sys.exit(f"{' '.join(command)} ended with status {process.returncode}")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(pid: int, port: int, seconds: float) -> Round:
    """Drive the server with wrk."""
    url = f"http://127.0.0.1:{port}/items/42?q=1"
    before = cpu_seconds(pid)
    command = ["taskset", "-c", "1", "wrk", "-t1", "-c16", f"-d{seconds}s", "--latency", url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    used = cpu_seconds(pid) - before
    requests = int(re.search(r"(\d+) requests in", output)[1])
    if "Non-2xx" in output or "Socket errors" in output:
        sys.exit(f"the server failed under load:\n{output}")
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", output).groups()
    p99_ms = float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
    rps = float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])
    return Round(rps, used / requests * 1e6, p99_ms, requests)


def measure(variants: dict[str, dict[str, str]], rounds: int, seconds: int) -> dict[str, list[Round]]:
    """Run the variants side by side, in alternating rounds, and check that each delivered every record."""
    results: dict[str, list[Round]] = {name: [] for name in variants}
    with contextlib.ExitStack() as stack:
        sink = free_port()
        stack.enter_context(started(["taskset", "-c", "1", sys.executable, "sink.py", str(sink)], sink))
        for number in range(rounds):
            for name, environment in variants.items():
                port = free_port()
                server = ["taskset", "-c", "0", sys.executable, "-m", "uvicorn", "app:app", "--port", str(port)]
                server += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
                endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{sink}"}
                with started(server, port, **endpoint, **environment) as pid:
                    warm = load(pid, port, 1)
                    results[name].append(load(pid, port, seconds))
                served = warm.requests + results[name][-1].requests
                with urllib.request.urlopen(f"http://127.0.0.1:{sink}/") as answer:
                    counted = json.load(answer)
                sys.stderr.write(f"round {number + 1} {name}: {results[name][-1]}, served {served}, sink {counted}\n")
                if environment.get("KIT") == "1" and counted["spans"] < served:
                    sys.exit(f"{name}: served {served} requests, but only {counted['spans']} spans arrived")
    return results


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed; on Debian: apt-get install wrk")
    variants = {
        "bare": {},
        "kit": {"KIT": "1"},
        "bare, log call": {"LOG": "1"},
        "kit, log line": {"KIT": "1", "LOG": "1"},
    }
    results = measure(variants, options.rounds, options.seconds)
    print(f"{'variant':16}{'rps':>8}{'ratio':>8}{'cpu us':>8}{'ratio':>8}{'p99 ms':>8}")
    for name, rounds in results.items():
        base = results["bare, log call" if "log" in name else "bare"]
        rps, cpu = (statistics.median(value) for value in ([r.rps for r in rounds], [r.cpu_us for r in rounds]))
        ratio = statistics.median(ours.rps / theirs.rps for ours, theirs in zip(rounds, base, strict=True))
        cpu_ratio = statistics.median(theirs.cpu_us / ours.cpu_us for ours, theirs in zip(rounds, base, strict=True))
        p99 = statistics.median(r.p99_ms for r in rounds)
        print(f"{name:16}{rps:8.0f}{ratio:8.3f}{cpu:8.1f}{cpu_ratio:8.3f}{p99:8.2f}")


if __name__ == "__main__":
    main()
