"""Figures that no load in turns tells: each is measured by a program of its own, several times, and stands alone."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.processes import ROOT, SERVER_CORE


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.

    Attributes:
        name: What it is of.
        module: Program in `benchmarks.singles` that prints it as JSON: a number, or several by name.
        unit: Of all its numbers.
        times: How often it is run.
    """

    name: str
    module: str
    unit: str
    times: int


FIGURES = (
    Figure("import of the kit", "importing", "ms CPU", 15),
    Figure("page of 2000 series", "scraping", "ms", 7),
    Figure("exporting 10 000 spans a second", "exporting", "ms", 5),
)


def measure() -> dict[str, dict[str, list[float]]]:
    """Run each program so often; return its numbers by figure and name."""
    return {f"{figure.name}, {figure.unit}": _several(figure) for figure in FIGURES}


def _several(figure: Figure) -> dict[str, list[float]]:
    numbers: dict[str, list[float]] = {}
    for _ in range(figure.times):
        for name, number in _once(figure.module).items():
            numbers.setdefault(name, []).append(number)
    return numbers


def _once(module: str) -> dict[str, float]:
    command = ["taskset", "-c", SERVER_CORE, sys.executable, "-m", f"benchmarks.singles.{module}"]
    # As it is installed: with its bytecode, which some images are told not to write.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ran = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=environment)
    return json.loads(ran.stdout)


def write(folder: Path, measured: Mapping[str, Mapping[str, Sequence[float]]], facts: Mapping[str, str]) -> str:
    """Write `single.json` and `single.md`; return the table."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = {"machine": dict(facts), "figures": [asdict(each) for each in FIGURES], "runs": measured}
    (folder / "single.json").write_text(json.dumps(whole, indent=1) + "\n")
    lines = [
        f"| {figure} | {name} | {statistics.median(several):.2f} | {min(several):.2f} | {max(several):.2f} |"
        for figure, numbers in measured.items()
        for name, several in numbers.items()
    ]
    where = ", ".join(f"{name} {value}" for name, value in facts.items())
    head = "| what | figure | median | least | most |\n|---|---|---:|---:|---:|"
    text = "\n".join((head, *lines, "", f"{where}.", ""))
    (folder / "single.md").write_text(text)
    return text
