"""Measure how much telemetry an order is: `make bench-volume`, or `python -m benchmarks.volume --help`.

The shop runs with one process of each service. First it sends to a receiver that only counts; then to the Collector,
Prometheus, Loki and, where `TEMPO_BINARY` names one, Tempo, whose CPU is read. What idling takes is measured before
and taken off.
"""

import argparse
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
from shop.child import Child, stop_all
from shop.invariants import check
from shop.ports import LOOPBACK, accepts, free_ports
from shop.runner import OWNERS, Plan, Shop

from benchmarks.machine import machine
from benchmarks.volume import report
from benchmarks.volume.orders import Meter
from benchmarks.volume.sampler import memory_for_each_byte
from benchmarks.volume.wire import POINTS, add_up, by_library, receiver
from stack.native import Backends
from stack.native import Plan as StackPlan

INTERVAL_MS = 15_000
"""Between two reports of metrics, as kubernetes/base says."""
WARM_UP_ORDERS = 50
NATS_SECONDS = 10.0
"""To start, and to end."""
RELAYS = 3
"""How often a relay is measured; the median counts."""
REPORTS_SECONDS = 2 * INTERVAL_MS / 1000
CONSOLE_LEFT_OUT = "yaml:service::pipelines::traces::exporters: [otlp_grpc/tempo]"


def shop_of(directory: Path, otlp_url: str, interval_ms: int) -> Shop:
    """Return a shop without console whose customers all have money, and whose shelves are full."""
    environment = {
        "OTEL_SDK_DISABLED": "false",
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp_url,
        "OTEL_METRIC_EXPORT_INTERVAL": str(interval_ms),
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
    }
    of_service = {"payments": {"DECLINE_SHARE": "0"}, "inventory": {"STOCK_PIECES": "1000000"}}
    return Shop(Plan(directory, console=False, environment=environment, service_environment=of_service))


def meter_of(shop: Shop) -> Meter:
    """Return what reads the CPU of the shop's services."""
    return Meter({child.name: child for child in shop.children if child.name in OWNERS})


def settled(shop: Shop) -> None:
    """Raise RuntimeError unless every order has come to its end, and everything adds up."""
    if violations := check(shop.database_urls):
        raise RuntimeError(f"what was measured is not whole orders: {violations}")


def on_the_wire(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Measure what services send, and what they themselves take."""
    with receiver() as (url, bodies), shop_of(directory, url, INTERVAL_MS) as shop:
        meter = meter_of(shop)
        meter.orders(shop.gateway_url, WARM_UP_ORDERS, options.rate)
        bodies.take()
        idle = meter.idle(options.idle)
        idle_bodies = bodies.take()
        busy = meter.orders(shop.gateway_url, options.orders, options.rate)
        busy_bodies = bodies.take()
        settled(shop)
        meter.idle(REPORTS_SECONDS)
        report_sent = add_up(bodies.take())[POINTS]
        memory = meter.memory_mib()
    share = busy.seconds / idle.seconds
    idle_sent, busy_sent = add_up(idle_bodies), add_up(busy_bodies)
    idle_spans, spans = by_library(idle_bodies), by_library(busy_bodies)
    events = {name: sent.less(idle_sent[name], share) for name, sent in busy_sent.items() if name != POINTS}
    reports = len(OWNERS) * REPORTS_SECONDS * 1000 / INTERVAL_MS
    return {
        "an order": {name: asdict(sent.each(options.orders)) for name, sent in events.items()},
        "spans of an order, by library": {
            name: (count - idle_spans[name] * share) / options.orders for name, count in spans.most_common()
        },
        "idle, a second": {name: asdict(sent.each(idle.seconds)) for name, sent in idle_sent.items()},
        "a report of a process": asdict(report_sent.each(reports)),
        "CPU of an order, ms": busy.cpu_each(idle, options.orders),
        "memory, MiB": memory,
        "memory of a sampler for each byte": memory_for_each_byte(busy_bodies, directory / "sampler"),
    }


def of_a_relay(directory: Path) -> float:
    """Measure how many messages a second one relay hands to NATS."""
    directory.mkdir()
    (port,) = free_ports(1)
    program = str(Path(sysconfig.get_path("scripts")) / "nats-server")
    options = ["--addr", LOOPBACK, "--port", str(port), "--jetstream", "--store_dir", str(directory / "nats")]
    nats = Child("nats", [program, *options], dict(os.environ), directory / "nats.log", lambda _child: accepts(port))
    command = [sys.executable, "-m", "benchmarks.volume.relay", f"nats://{LOOPBACK}:{port}", str(directory)]
    with receiver() as (otlp_url, _bodies):
        nats.start()
        try:
            nats.wait_ready(NATS_SECONDS)
            environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": otlp_url}
            done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        finally:
            stop_all([nats], NATS_SECONDS)
    return float(done.stdout.splitlines()[-1])


def in_the_backends(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Measure the CPU that backends take for an order, in ms, by their names, and how many series a process makes."""
    tempo = bool(os.environ.get("TEMPO_BINARY"))
    overlays = [CONSOLE_LEFT_OUT] if tempo else []
    with Backends(StackPlan(directory / "stack", overlays=overlays)) as backends:
        names = [name for name in backends.children if name != "console"]
        with shop_of(directory / "shop", backends.otlp_url, INTERVAL_MS) as shop:
            meter = Meter({name: backends.children[name] for name in names})
            meter.orders(shop.gateway_url, WARM_UP_ORDERS, options.rate)
            idle = meter.idle(options.idle)
            busy = meter.orders(shop.gateway_url, options.orders, options.rate)
            settled(shop)
        query = {"query": 'count({service_name!=""})'}
        answer = httpx.get(f"{backends.url('prometheus')}/api/v1/query", params=query, timeout=20).raise_for_status()
    (series,) = answer.json()["data"]["result"]
    return {
        "CPU of backends for an order, ms": busy.cpu_each(idle, options.orders),
        "series of a process": int(series["value"][1]) / len(OWNERS),
    }


def main() -> None:
    """Parse the options, measure, write, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.volume", description=__doc__)
    parser.add_argument("--orders", type=int, default=400, help="that are measured, after a few that are not")
    parser.add_argument("--rate", type=float, default=10, help="orders a second")
    parser.add_argument("--idle", type=float, default=30, help="seconds without any, before")
    parser.add_argument("--results", type=Path, default=Path(__file__).parents[1] / "results")
    options = parser.parse_args()
    about = {"orders": options.orders, "orders a second": options.rate, "export interval, ms": INTERVAL_MS}
    measured: dict[str, Mapping[str, Any]] = {"machine": {**machine(), **about}}
    with tempfile.TemporaryDirectory(prefix="clew-volume-") as directory:
        measured |= on_the_wire(options, Path(directory) / "wire")
        relays = [of_a_relay(Path(directory) / f"relay-{number}") for number in range(RELAYS)]
        measured["messages of a relay a second"] = statistics.median(relays)
        measured |= in_the_backends(options, Path(directory) / "backends")
    print(report.write(options.results, measured))


if __name__ == "__main__":
    main()
