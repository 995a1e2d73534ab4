"""Measure the console beside Jaeger: `make bench-console`, or `python -m benchmarks.console --help`.

The steps can be run one by one; each writes its part of the results and keeps those of the others.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.console import limits, measure, report
from benchmarks.console.jaeger import RECIPE, jaeger
from benchmarks.console.measure import ingest, lookups, overviews, p95, recent_failures, searches, send, times
from benchmarks.console.server import Server, console, disk_bytes, running
from benchmarks.machine import machine
from benchmarks.processes import ROOT

MILLION = 10**6
HOURS = 24
"""Over which the stored spans lie."""
LOOKUPS, SEARCHES, OVERVIEWS = 200, 160, 60
KILLS = 3
FIRST_PAGE = re.compile(r"interactive after (\d+) ms \(median\), (\d+) ms \(slowest")


@contextmanager
def fresh() -> Iterator[Path]:
    """Yield a directory that is gone afterwards, on the disk of the checkout: /tmp may be memory."""
    (ROOT / ".clew").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / ".clew") as data:
        yield Path(data)


def ingests(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Fill each receiver, empty at first, in alternating rounds."""
    found = list[dict[str, Any]]()
    for _ in range(options.rounds):
        for start, signal in ((console, "spans"), (jaeger, "spans"), (console, "logs")):
            with fresh() as data, running(start(data)) as server:
                result, _ = ingest(server, signal, options.ingest, recent_failures(server))
            found.append(_told(asdict(result)))
    return found


def fill(options: argparse.Namespace) -> None:
    """Fill the large store, which is kept: it takes minutes and is the same each time."""
    data = options.data
    shutil.rmtree(data, ignore_errors=True)
    with running(console(data)) as server:
        filled = send(server, options.large, "--hours", str(HOURS))
        stored = server.settled(server).stored
        filled |= {"stored": stored, "peak_rss_mib": server.peak_rss_mib()}
    data.with_suffix(".json").write_text(json.dumps(filled))


def large(options: argparse.Namespace) -> dict[str, Any]:
    """Read the large store after a new start; the memory is that of filling it or of reading it, what is more."""
    filled = json.loads(options.data.with_suffix(".json").read_text())
    with running(console(options.data)) as server:
        found = _reads(server, filled, searches)
        took = times(overviews(server, filled, OVERVIEWS))
        found |= {"overview_p95_ms": p95(took), "overview_slowest_ms": max(took)}
        found["peak_rss_mib"] = max(server.peak_rss_mib(), filled["peak_rss_mib"])
    return found | {"spans": filled["stored"], "bytes_per_span": disk_bytes(options.data) / filled["stored"]}


def beside(options: argparse.Namespace) -> dict[str, Any]:
    """Read a million spans from each receiver, after a new start."""
    found = dict[str, Any]()
    for start, ask in ((console, searches), (jaeger, measure.jaeger_searches)):
        with fresh() as data:
            with running(start(data)) as server:
                filled = send(server, options.beside, "--hours", str(HOURS))
                stored = server.settled(server).stored
                filling_rss_mib = server.peak_rss_mib()
            lost = {"spans": stored, "lost_percent": 100 * (1 - stored / filled["sent"])}
            with running(start(data)) as server:
                reads = _reads(server, filled, ask)
                peak = {"peak_rss_mib": max(filling_rss_mib, server.peak_rss_mib())}
            found[server.name] = reads | peak | lost | {"bytes_per_span": disk_bytes(data) / stored}
            _told(found[server.name])
    return found


def _reads(server: Server, filled: dict[str, Any], ask: Callable[..., Iterator[measure.Ask]]) -> dict[str, Any]:
    found = {"start_seconds": server.start_seconds}
    for name, took in (
        ("trace", times(lookups(server, filled, LOOKUPS))),
        ("search", times(ask(server, filled, SEARCHES))),
    ):
        found |= {f"{name}_p95_ms": p95(took), f"{name}_slowest_ms": max(took)}
    return found


def beyond(options: argparse.Namespace) -> dict[str, Any]:
    """Kill it, flood it, fill it beyond its cap."""
    del options
    found = dict[str, Any]()
    for name, step in (("kill", lambda data: limits.kills(data, KILLS)), ("flood", limits.flood), ("cap", limits.cap)):
        with fresh() as data:
            found[name] = _told(asdict(step(data)))
    return found


def page(options: argparse.Namespace) -> dict[str, Any]:
    """Open the first page in a real Chromium, with a million spans in the hour that it shows."""
    with fresh() as data, running(console(data)) as server:
        send(server, options.beside, "--hours", "1")
        server.settled(server)
        program = [sys.executable, str(ROOT / "tests" / "browser" / "first_page.py"), f"{server.ui}/?range=1h"]
        said = subprocess.run(program, check=True, capture_output=True, text=True).stdout
    taken = FIRST_PAGE.match(said)
    if taken is None:
        raise RuntimeError(f"first_page.py said {said!r}")
    return {"median_ms": int(taken[1]), "slowest_ms": int(taken[2])}


STEPS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "ingest": ingests,
    "fill": fill,
    "large": large,
    "beside": beside,
    "limits": beyond,
    "page": page,
}


def main() -> int:
    """Run the steps, write, print; return 1 when a target is missed."""
    options = _options()
    path = options.results / "console.json"
    measured = json.loads(path.read_text()) if path.exists() else {}
    tables = ""
    measured["machine"] = machine() | {"clew": version("clew"), "jaeger": RECIPE.version}
    for name in options.steps or STEPS:
        began = time.monotonic()
        result = STEPS[name](options)
        if result is not None:
            measured[name] = result
        tables = report.write(options.results, measured)  # after each step: what was measured stays, whatever comes
        sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")
    print(tables)
    wrong = report.missed(measured)
    sys.stderr.write("".join(f"missed: {one}\n" for one in wrong))
    return 1 if wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.console", description=__doc__)
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"of {', '.join(STEPS)}; without any, all")
    parser.add_argument("--rounds", type=int, default=3, help="of ingest")
    parser.add_argument("--ingest", type=int, default=400_000, help="spans or log records of a round")
    parser.add_argument("--large", type=int, default=10 * MILLION, help="spans that `fill` stores and `large` reads")
    parser.add_argument("--beside", type=int, default=MILLION, help="spans stored for what is compared with Jaeger")
    parser.add_argument("--data", type=Path, default=ROOT / ".clew" / "bench-large", help="what `fill` keeps")
    parser.add_argument("--results", type=Path, default=report.RESULTS)
    options = parser.parse_args()
    if unknown := set(options.steps) - set(STEPS):
        parser.error(f"{', '.join(unknown)}: choose of {', '.join(STEPS)}")
    return options


def _told(result: dict[str, Any]) -> dict[str, Any]:
    sys.stderr.write(f"{result}\n")
    return result


if __name__ == "__main__":
    sys.exit(main())
