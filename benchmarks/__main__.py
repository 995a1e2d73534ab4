"""Measure what the kit and others cost, and write tables and plots: `make bench`, or `python -m benchmarks --help`."""

import argparse
import gc
import os
from pathlib import Path

from benchmarks import report, single
from benchmarks.machine import facts
from benchmarks.processes import LOAD_CORE
from benchmarks.side_by_side import measure
from benchmarks.slices import WINDOW_SECONDS
from benchmarks.tables import TABLES


def main() -> None:
    """Parse the options, measure, write, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", nargs="*", choices=[*TABLES, "single"], metavar="TABLE", help=f"of: {' '.join(TABLES)} single"
    )
    parser.add_argument("--cycles", type=int, default=20, help="slices of each variant")
    parser.add_argument("--variants", nargs="*", help="names; those they are compared with are always measured")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    gc.freeze()
    for name in options.only or (*TABLES, "single"):
        if name == "single":
            print(f"## single\n\n{single.write(options.results, single.measure(), facts())}", flush=True)
            continue
        table = TABLES[name]
        wanted = options.variants
        variants = [each for each in table.variants if not wanted or each.name in wanted or each.name == each.base]
        with table.bring_up() as bring_up:
            measured = measure(variants, bring_up, options.cycles, options.cycles if table.steady else 0)
        about = f"{table.about} Medians (middle half) of {options.cycles} slices of {WINDOW_SECONDS} s in turns."
        print(f"## {name}\n\n{report.write(options.results, name, measured, about, facts())}", flush=True)


if __name__ == "__main__":
    main()
