"""Measure what the kit and others cost, and write table and plot: `make bench`, or `python -m benchmarks --help`."""

import argparse
import shutil
import sys
from pathlib import Path

from benchmarks import http, report
from benchmarks.machine import facts
from benchmarks.variants import HTTP


def main() -> None:
    """Parse the options, measure, write, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of each load; a round has two of each variant")
    parser.add_argument("--only", nargs="*", help="names of variants; the bare ones are always measured")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed; on Debian: apt-get install wrk")
    wanted = options.only
    chosen = [each for each in HTTP if wanted is None or each.name in wanted or each.name.startswith("bare")]
    if wanted and (unknown := set(wanted) - {each.name for each in HTTP}):
        parser.error(f"no such variant: {', '.join(unknown)}; there are {', '.join(each.name for each in HTTP)}")
    results = http.measure(chosen, options.rounds, options.seconds)
    print(report.write(options.results, results, facts(), options.rounds, options.seconds))


if __name__ == "__main__":
    main()
