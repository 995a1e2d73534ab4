"""What was measured, as JSON and as tables."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def write(folder: Path, measured: Mapping[str, Any]) -> str:
    """Write `volume.json` and `volume.md`; return the tables."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "volume.json").write_text(json.dumps(measured, indent=1) + "\n")
    text = "\n".join(_lines(measured)) + "\n"
    (folder / "volume.md").write_text(text)
    return text


def _lines(measured: Mapping[str, Any]) -> Iterator[str]:
    yield "| on the wire | records | bytes | bytes with gzip |"
    yield "|---|---:|---:|---:|"
    rows = {f"an order, {name}": sent for name, sent in measured["an order"].items()}
    rows["a report of metrics of one process"] = measured["a report of a process"]
    for title, sent in rows.items():
        yield f"| {title} | {sent['records']:.1f} | {sent['bytes']:,.0f} | {sent['gzip_bytes']:,.0f} |"
    yield ""
    yield "| spans of an order, by library | |"
    yield "|---|---:|"
    yield from (f"| {name} | {count:.1f} |" for name, count in measured["spans of an order, by library"].items())
    yield ""
    yield "| CPU of an order | ms | memory, MiB |"
    yield "|---|---:|---:|"
    for name, used in measured["CPU of an order, ms"].items():
        yield f"| {name} | {used:.2f} | {measured['memory, MiB'][name]:.0f} |"
    for name, used in measured["CPU of backends for an order, ms"].items():
        yield f"| {name} | {used:.2f} | |"
    yield ""
    held = measured["memory of a sampler for each byte"]
    yield f"A process makes {measured['series of a process']:.0f} series. A byte of spans is {held:.1f} in a sampler."
    yield f"A relay publishes {measured['messages of a relay a second']:,.0f} messages a second."
    yield ""
    yield ", ".join(f"{name} {value}" for name, value in measured["machine"].items()) + "."
