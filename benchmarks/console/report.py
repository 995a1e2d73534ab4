"""Write what was measured: JSON with every figure, and tables of targets and peers, which docs/console.md shows too."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.processes import ROOT

RESULTS = ROOT / "benchmarks" / "results"
DOCS = ROOT / "docs" / "console.md"
BEGIN, END = "<!-- measured by make bench-console -->\n", "<!-- end of what was measured -->\n"
CLEW = "Clew console"

Measured = Mapping[str, Any]
"""What each step found, by its name."""


@dataclass(frozen=True, slots=True)
class Target:
    """A figure with its bound: the least it may be, or else the most."""

    figure: str
    what: str
    limit: float
    form: str = ".0f"
    is_least: bool = False

    def holds(self, value: float) -> bool:
        """Tell whether the value is within the bound."""
        return value >= self.limit if self.is_least else value <= self.limit

    @property
    def bound(self) -> str:
        """Return the bound in words."""
        return f"at {'least' if self.is_least else 'most'} {self.limit:{self.form}}"


TARGETS = (
    Target(
        "spans_per_second", "spans taken and written a second, with a search a second", 20_000, ",.0f", is_least=True
    ),
    Target("logs_per_second", "log records, the same way", 20_000, ",.0f", is_least=True),
    Target("trace_p95_ms", "a trace by its id, p95, ms", 20, ".1f"),
    Target("search_p95_ms", "filtered search over one hour, p95, ms", 300),
    Target("overview_p95_ms", "overview, p95, ms", 500),
    Target("peak_rss_mib", "memory at its highest, MiB", 300),
    Target("bytes_per_span", "bytes on disk for each span", 150, ".1f"),
    Target("page_ms", "first page usable in a browser, with 1 M spans stored, ms", 300),
    Target("cap_share", "largest size on disk while three times the cap comes, of the cap", 1.05, ".3f"),
    Target("killed", "acknowledged spans lost by kill -9", 0),
    Target("flooded", "acknowledged spans lost when more comes than is stored", 0),
    Target("unhelpful", "answers then that are neither 200 nor 503 with Retry-After", 0),
)
BESIDE = (
    ("per_second", "spans stored a second, with a search a second", ",.0f"),
    ("cpu_us", "processor time for each, µs", ".1f"),
    ("lost_percent", "of 1 M spans, accepted and not stored, %", ".1f"),
    ("peak_rss_mib", "memory at its highest, MiB", ".0f"),
    ("trace_p95_ms", "with 1 M spans stored: a trace by its id, p95, ms", ".1f"),
    ("search_p95_ms", "filtered search over one hour, p95, ms", ".0f"),
    ("bytes_per_span", "bytes on disk for each span", ".0f"),
    ("start_seconds", "start on the filled store, s", ".1f"),
)
"""Figure, what it is, how it is written."""


def figures(measured: Measured) -> dict[str, float]:
    """Return the figures that have targets, of the steps that were run."""
    found = dict[str, float]()
    for signal in ("spans", "logs") if "ingest" in measured else ():
        found[f"{signal}_per_second"] = median(one["per_second"] for one in _rounds(measured, CLEW, signal))
    found |= measured.get("large", {})
    if "limits" in measured:
        kill, flood, cap = (measured["limits"][name] for name in ("kill", "flood", "cap"))
        found |= {"killed": kill["lost"], "flooded": flood["lost"], "unhelpful": flood["unhelpful_answers"]}
        found["cap_share"] = cap["largest_bytes"] / cap["cap_bytes"]
    if "page" in measured:
        found["page_ms"] = measured["page"]["median_ms"]
    return found


def _rounds(measured: Measured, server: str, signal: str) -> list[dict[str, Any]]:
    return [one for one in measured["ingest"] if (one["server"], one["signal"]) == (server, signal)]


def missed(measured: Measured) -> list[str]:
    """Return the targets, of steps that were run, that do not hold."""
    found = figures(measured)
    return [
        f"{target.what}: {found[target.figure]:{target.form}}, should be {target.bound}"
        for target in TARGETS
        if target.figure in found and not target.holds(found[target.figure])
    ]


def markdown(measured: Measured) -> str:
    """Render the two tables, with the machine below them."""
    return "\n".join((*_targets(measured), "", *_beside(measured), "", _conditions(measured), ""))


def _targets(measured: Measured) -> Iterator[str]:
    found = figures(measured)
    spans = measured.get("large", {}).get("spans", 0)
    yield f"| {spans / 1e6:.0f} M spans are stored | measured | target |"
    yield "|---|---:|---:|"
    for target in TARGETS:
        if target.figure in found:
            yield f"| {target.what} | {found[target.figure]:{target.form}} | {target.bound} |"


def _beside(measured: Measured) -> Iterator[str]:
    """Yield the lines of what was measured of all: of ingest, and of a million stored spans."""
    names = list(dict.fromkeys(one["server"] for one in measured.get("ingest", ())))
    if not names:
        return
    columns = [_column(measured, name) for name in names]
    yield f"| side by side | {' | '.join(names)} |"
    yield "|---|" + "---:|" * len(names)
    for figure, what, form in BESIDE:
        if all(figure in column for column in columns):
            yield f"| {what} | {' | '.join(f'{column[figure]:{form}}' for column in columns)} |"


def _column(measured: Measured, server: str) -> dict[str, float]:
    rounds = _rounds(measured, server, "spans")
    taken = {name: median(one[name] for one in rounds) for name in ("per_second", "cpu_us", "peak_rss_mib")}
    return {**taken, **measured.get("beside", {}).get(server, {})}


def _conditions(measured: Measured) -> str:
    where = ", ".join(f"{name} {value}" for name, value in measured["machine"].items())
    return f"Sender and receiver share the machine. {where}."


def write(folder: Path, measured: Measured) -> str:
    """Write `console.json` and `console.md` and return the tables; docs/console.md gets those of the usual folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "console.json").write_text(json.dumps(measured, indent=1) + "\n")
    text = markdown(measured)
    (folder / "console.md").write_text(text)
    if folder.resolve() == RESULTS:
        DOCS.write_text(placed(DOCS.read_text(), text))
    return text


def placed(page: str, tables: str) -> str:
    """Return the page with the tables between its marks.

    Raises:
        ValueError: The marks are not there.
    """
    before, rest = page.split(BEGIN)
    return before + BEGIN + tables + END + rest.split(END)[1]
