"""What was measured of an order, multiplied: how much telemetry a rate of orders is, and what it takes."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "volume.json"
PAGE = ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- sizing -->\n", "<!-- /sizing -->"
RATES = (100, 1_000, 10_000, 100_000, 1_000_000)
"""Orders a second."""
BUSY = 0.7
"""Share of its core that a process of the shop may take."""
KEPT = 0.01
"""Share of the traces that is kept after sampling."""
DECISION_SECONDS = 10
"""What collector/tail-sampling.yaml waits."""
DAY_SECONDS = 86_400
ORDER = """\
An order is {spans} spans, {statements} of which are SQL statements, and {logs} log records: {spans_kb} kB and
{logs_kb} kB, with gzip {spans_gzip_kb} kB and {logs_gzip_kb} kB. The five services take {services_ms} ms of CPU for it,
orders {orders_ms} ms of them; the Collector {collector_ms} ms, Tempo and Loki {stores_ms} ms together. A process makes
{series} series, whatever it does. A byte of spans takes {held} bytes in a sampler's memory. A relay publishes
{messages} messages a second to NATS on the same machine.

"""
BACKENDS = {"otelcol": "the Collectors", "tempo": "Tempo, if all are kept", "loki": "Loki"}


def table(path: Path = RESULTS) -> str:
    """Return the table of all rates, made of the results that `python -m benchmarks.volume` wrote."""
    measured = json.loads(path.read_text())
    head = (
        "| orders a second | " + " | ".join(f"{rate:,}" for rate in RATES) + " |\n|---|" + "---:|" * len(RATES) + "\n"
    )
    lines = (
        f"| {title} | " + " | ".join(_short(quantity(rate)) for rate in RATES) + " |\n"
        for title, quantity in _quantities(measured).items()
    )
    return head + "".join(lines)


def summary(path: Path = RESULTS) -> str:
    """Return what one order is, in a paragraph."""
    measured = json.loads(path.read_text())
    spans, logs = (measured["an order"][name] for name in ("spans", "log records"))
    services, backends = measured["CPU of an order, ms"], measured["CPU of backends for an order, ms"]
    numbers = {
        "spans": spans["records"],
        "statements": measured["spans of an order, by library"]["instrumentation.sqlalchemy"],
        "logs": logs["records"],
        "spans_kb": spans["bytes"] / 1000,
        "logs_kb": logs["bytes"] / 1000,
        "spans_gzip_kb": spans["gzip_bytes"] / 1000,
        "logs_gzip_kb": logs["gzip_bytes"] / 1000,
        "services_ms": sum(services.values()),
        "orders_ms": services["orders"],
        "collector_ms": backends["otelcol"],
        "stores_ms": backends["tempo"] + backends["loki"],
        "series": measured["series of a process"],
        "held": measured["memory of a sampler for each byte"],
        "messages": measured["messages of a relay a second"],
    }
    return ORDER.format(**{name: _short(number) for name, number in numbers.items()})


def _quantities(measured: Mapping[str, Any]) -> dict[str, Callable[[int], float]]:
    spans, logs = (measured["an order"][name] for name in ("spans", "log records"))
    report, interval_seconds = measured["a report of a process"], measured["machine"]["export interval, ms"] / 1000
    cpu_seconds = sum(measured["CPU of an order, ms"].values()) / 1000

    def processes(rate: int) -> float:
        return rate * cpu_seconds / BUSY

    def cores(name: str) -> Callable[[int], float]:
        return lambda rate: rate * measured["CPU of backends for an order, ms"][name] / 1000

    return {
        "spans a second": lambda rate: rate * spans["records"],
        "MB of spans a second": lambda rate: rate * spans["bytes"] / 1e6,
        "log records a second": lambda rate: rate * logs["records"],
        "MB of log records a second": lambda rate: rate * logs["bytes"] / 1e6,
        f"processes of the shop, each {BUSY:.0%} of a core": processes,
        "series of theirs": lambda rate: processes(rate) * measured["series of a process"],
        "metric points a second": lambda rate: processes(rate) * report["records"] / interval_seconds,
        **{f"cores, {title}": cores(name) for name, title in BACKENDS.items()},
        f"GB in the samplers, for {DECISION_SECONDS} s": lambda rate: (
            rate * spans["bytes"] * DECISION_SECONDS * measured["memory of a sampler for each byte"] / 1e9
        ),
        "GB of spans a day, all, with gzip": lambda rate: rate * spans["gzip_bytes"] * DAY_SECONDS / 1e9,
        f"GB of spans a day, {KEPT:.0%} of the traces": lambda rate: (
            rate * spans["gzip_bytes"] * KEPT * DAY_SECONDS / 1e9
        ),
        "GB of log records a day, with gzip": lambda rate: rate * logs["gzip_bytes"] * DAY_SECONDS / 1e9,
    }


def _short(number: float) -> str:
    """Return a number with two digits that say something, for nobody plans by more."""
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if number >= unit:
            divisor = 1e3 if name == " k" else unit
            return f"{_two_digits(number / divisor)}{name}"
    return _two_digits(number)


def _two_digits(number: float) -> str:
    rounded = float(f"{number:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"


def page() -> str:
    """Return docs/scale.md with what the results say."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    return f"{before}{BEGIN}{summary()}{table()}{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
