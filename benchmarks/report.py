"""Write what was measured: JSON with every round, a Markdown table of medians, and a plot."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from statistics import median

from benchmarks.http import Round


@dataclass(frozen=True, slots=True)
class Row:
    """Medians of one variant; ratios are taken within a round, against the bare variant with the same handler."""

    name: str
    throughput_ratio: float
    cpu_us: float
    added_us: float
    p99_ratio: float
    steady_p99_ratio: float
    rss_mib: float
    spans_per_request: float
    logs_per_request: float
    observed: float


def rows(results: Mapping[str, Sequence[Round]]) -> list[Row]:
    """Reduce the rounds."""
    return [_row(name, rounds, results[_base(name)]) for name, rounds in results.items()]


def _base(name: str) -> str:
    return "bare, log call" if "log line" in name or "log call" in name else "bare"


def _row(name: str, ours: Sequence[Round], bare: Sequence[Round]) -> Row:
    def over(value: Callable[[Round, Round], float]) -> float:
        return median(value(*pair) for pair in zip(ours, bare, strict=True))

    return Row(
        name,
        over(lambda one, base: one.per_second / base.per_second),
        over(lambda one, _: one.cpu_us),
        over(lambda one, base: one.cpu_us - base.cpu_us),
        over(lambda one, base: one.p99_ms / base.p99_ms),
        over(lambda one, base: one.steady_p99_ms / base.steady_p99_ms),
        over(lambda one, _: one.rss_mib),
        over(lambda one, _: one.counts["spans"] / one.served),
        over(lambda one, _: one.counts["logs"] / one.served),
        over(lambda one, _: one.counts["observations"] / one.served),
    )


def markdown(table: Sequence[Row], facts: Mapping[str, str], rounds: int, seconds: int) -> str:
    """Render the table, with the machine below it."""
    head = "| variant | throughput, of bare | CPU/request, µs | added, µs | p99, of bare | p99 at fixed rate, of bare"
    head += " | RSS, MiB | spans/request | log records/request | observations/request |\n|---|" + "---:|" * 9
    lines = [
        f"| {row.name} | {row.throughput_ratio:.3f} | {row.cpu_us:.1f} | {row.added_us:.1f} | {row.p99_ratio:.2f}"
        f" | {row.steady_p99_ratio:.2f} | {row.rss_mib:.0f} | {row.spans_per_request:.2f}"
        f" | {row.logs_per_request:.2f} | {row.observed:.2f} |"
        for row in table
    ]
    where = ", ".join(f"{name} {value}" for name, value in facts.items())
    return "\n".join((head, *lines, "", f"Medians of {rounds} alternating rounds of {seconds} s. {where}.", ""))


def svg(table: Sequence[Row]) -> str:
    """Draw each variant's share of bare's throughput as a bar."""
    height, left, width = 24, 260, 400
    bars = "".join(
        f'<text x="{left - 8}" y="{place * height + 17}" text-anchor="end">{escape(row.name)}</text>'
        f'<rect x="{left}" y="{place * height + 4}" width="{max(1.0, row.throughput_ratio * width):.0f}" height="16"'
        f' fill="{"#2a6f97" if row.name.startswith("kit") else "#9aa5b1"}"/>'
        f'<text x="{left + row.throughput_ratio * width + 6:.0f}" y="{place * height + 17}">'
        f"{row.throughput_ratio:.2f}</text>"
        for place, row in enumerate(table)
    )
    size = f'width="{left + width + 60}" height="{len(table) * height + 8}"'
    style = 'font-family="sans-serif" font-size="13" role="img"'
    title = "<title>Throughput as a share of the same service without telemetry</title>"
    paper = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{title}{paper}{bars}</svg>\n'


def write(
    folder: Path, results: Mapping[str, Sequence[Round]], facts: Mapping[str, str], rounds: int, seconds: int
) -> str:
    """Write `http.json`, `http.md` and `http.svg`; return the table."""
    folder.mkdir(parents=True, exist_ok=True)
    table = rows(results)
    measured = {name: [asdict(each) for each in several] for name, several in results.items()}
    (folder / "http.json").write_text(json.dumps({"machine": dict(facts), "rounds": measured}, indent=1) + "\n")
    text = markdown(table, facts, rounds, seconds)
    (folder / "http.md").write_text(text)
    (folder / "http.svg").write_text(svg(table))
    return text
