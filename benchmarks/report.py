"""Write what was measured: JSON with every slice, a Markdown table, and a plot."""

import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

from benchmarks.comparison import Row, as_json, rows
from benchmarks.side_by_side import Measured

Render = Callable[[Row], str]

COLUMNS: Mapping[str, Render] = {
    "throughput, of bare": lambda row: row.throughput_ratio.text(3),
    "1/CPU, of bare": lambda row: row.cpu_ratio.text(3),
    "CPU, µs": lambda row: f"{row.cpu_us.median:.1f}",
    "added, µs": lambda row: row.added_us.text(1),
    "p99, of bare": lambda row: _ratio(row.p99_ratio),
    "p99 at fixed rate, of bare": lambda row: _ratio(row.steady_p99_ratio),
    "RSS, MiB": lambda row: f"{row.rss_mib:.0f}",
    "arrived per operation": lambda row: ", ".join(f"{name} {times:.2f}" for name, times in row.per_operation.items()),
}
WHEN_WAITED_FOR = ("throughput, of bare", "p99, of bare", "p99 at fixed rate, of bare")
"""Columns of what is loaded as fast as it answers; others set their own pace."""


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def markdown(table: Sequence[Row], about: str, facts: Mapping[str, str]) -> str:
    """Render the table, with what was done and the machine below it."""
    paced = all(row.p99_ratio is None for row in table)
    columns = {name: show for name, show in COLUMNS.items() if not (paced and name in WHEN_WAITED_FOR)}
    head = f"| variant | {' | '.join(columns)} |\n|---|" + "---:|" * (len(columns) - 1) + "---|"
    lines = [f"| {row.name} | {' | '.join(show(row) for show in columns.values())} |" for row in table]
    where = ", ".join(f"{name} {value}" for name, value in facts.items())
    return "\n".join((head, *lines, "", f"{about} {where}.", ""))


def svg(table: Sequence[Row]) -> str:
    """Draw each variant's share of bare's throughput as a bar, with the middle half of its slices as a line."""
    height, left, width = 24, 260, 400
    bars = "".join(_bar(row, place * height, left, width) for place, row in enumerate(table))
    size = f'width="{left + width + 80}" height="{len(table) * height + 8}"'
    style = 'font-family="sans-serif" font-size="13" role="img"'
    title = "<title>Throughput as a share of the same service without telemetry</title>"
    paper = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{title}{paper}{bars}</svg>\n'


def _bar(row: Row, top: int, left: int, width: int) -> str:
    share = row.throughput_ratio
    colour = "#2a6f97" if row.name.startswith("kit") else "#9aa5b1"
    low, high = (left + each * width for each in (share.low, share.high))
    return (
        f'<text x="{left - 8}" y="{top + 17}" text-anchor="end">{escape(row.name)}</text>'
        f'<rect x="{left}" y="{top + 4}" width="{max(1.0, share.median * width):.0f}" height="16" fill="{colour}"/>'
        f'<path d="M{low:.0f} {top + 12}H{high:.0f}" stroke="#1b1b1b" stroke-width="2"/>'
        f'<text x="{max(high, left + share.median * width) + 6:.0f}" y="{top + 17}">{share.median:.2f}</text>'
    )


def write(folder: Path, name: str, measured: Measured, about: str, facts: Mapping[str, str]) -> str:
    """Write `NAME.json` and `NAME.md`, and `NAME.svg` where throughput says something; return the table."""
    folder.mkdir(parents=True, exist_ok=True)
    table = rows(measured)
    whole = {"machine": dict(facts), "about": about, **as_json(measured)}
    (folder / f"{name}.json").write_text(json.dumps(whole, indent=1) + "\n")
    text = markdown(table, about, facts)
    (folder / f"{name}.md").write_text(text)
    if any(row.p99_ratio is not None for row in table):
        (folder / f"{name}.svg").write_text(svg(table))
    return text
