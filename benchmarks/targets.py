"""What the kit means to hold, beside what several runs of the benchmarks found.

    python -m benchmarks.targets FOLDER...

Each folder is one of `--results`. Prints Markdown; a row that a run lacks is a dash.
"""

import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Read = Callable[[Mapping[str, Any]], float]


@dataclass(frozen=True, slots=True)
class Target:
    """One row.

    Attributes:
        what: For people.
        table: Name of the results' file.
        read: Takes the figure out of it.
        bound: The figure that is to be held.
        at_least: Whether it is the least one allowed; else the most.
    """

    what: str
    table: str
    read: Read
    bound: float
    at_least: bool = False

    def cell(self, folder: Path) -> str:
        """Return the figure of one run, in bold if it holds."""
        path = folder / f"{self.table}.json"
        if not path.exists():
            return "-"
        figure = self.read(json.loads(path.read_text()))
        held = figure >= self.bound if self.at_least else figure <= self.bound
        return f"**{figure:.2f}**" if held else f"{figure:.2f}"


def _row(results: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return next(row for row in results["rows"] if row["name"] == name)


def _median(name: str, figure: str) -> Read:
    return lambda results: _row(results, name)[figure]["median"]


def _plain(name: str, figure: str) -> Read:
    return lambda results: _row(results, name)[figure]


def _added_share(name: str, other: str) -> Read:
    def read(results: Mapping[str, Any]) -> float:
        ours, theirs = (_row(results, each)["added_us"]["median"] for each in (name, other))
        return ours / theirs

    return read


def _single(figure: str, name: str) -> Read:
    return lambda results: statistics.median(results["runs"][figure][name])


_LINE = "kit, log line"
_SCRAPE = "page of 2000 series, ms"

TARGETS = (
    Target("all signals: throughput, of bare", "http", _median("kit", "throughput_ratio"), 0.87, at_least=True),
    Target("all signals: 1/CPU, of bare", "http", _median("kit", "cpu_ratio"), 0.87, at_least=True),
    Target("with a log line: throughput, of bare", "http", _median(_LINE, "throughput_ratio"), 0.84, at_least=True),
    Target("with a log line: 1/CPU, of bare", "http", _median(_LINE, "cpu_ratio"), 0.84, at_least=True),
    Target("p99 at 16 connections, of bare", "http", _plain("kit", "p99_ratio"), 1.25),
    Target("p99 at 60 % load, of bare", "http", _plain("kit", "steady_p99_ratio"), 1.25),
    Target("gRPC unary call served, added µs", "grpc", _median("kit", "added_us"), 25),
    Target("httpx call, added µs", "httpx", _median("kit", "added_us"), 15),
    Target("FastStream message consumed, added µs", "messaging", _median("kit", "added_us"), 25),
    Target("child span by span(), µs", "spans", _median("kit, span()", "added_us"), 4),
    Target("child span by OpenTelemetry's API, µs", "spans", _median("kit, OpenTelemetry's API", "added_us"), 4),
    Target("SQLAlchemy query, of contrib's cost", "sqlalchemy", _added_share("kit", "contrib + SDK"), 1 / 3),
    Target(
        "added CPU, of opentelemetry-instrument's", "peers", _added_share("kit", "opentelemetry-instrument"), 1 / 25
    ),
    Target("added CPU, of ddtrace's", "peers", _added_share("kit", "ddtrace"), 1 / 14),
    Target("import and set-up, ms CPU", "single", _single("import of the kit, ms CPU", "import and set-up"), 120),
    Target("page of 2000 histograms, ms CPU", "single", _single(_SCRAPE, "CPU of the page"), 20),
    Target(
        "longest wait of the loop meanwhile, ms",
        "single",
        _single(_SCRAPE, "longest wait of the loop meanwhile, median"),
        5,
    ),
    Target(
        "exporter's longest hold of the interpreter, ms",
        "single",
        _single("exporting 10 000 spans a second, ms", "longest hold"),
        2,
    ),
)


def table(folders: Sequence[Path]) -> str:
    """Render the targets with a column for each run."""
    head = f"| what | target | {' | '.join(f'run {number}' for number in range(1, len(folders) + 1))} |"
    lines = [
        f"| {each.what} | {'≥' if each.at_least else '≤'} {each.bound:.3g}"
        f" | {' | '.join(each.cell(folder) for folder in folders)} |"
        for each in TARGETS
    ]
    return "\n".join((head, "|---|---:|" + "---:|" * len(folders), *lines, ""))


if __name__ == "__main__":
    print(table([Path(each) for each in sys.argv[1:]]) + "\nIn bold what is held.")
