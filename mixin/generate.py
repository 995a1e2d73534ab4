"""Write the dashboards, the rules and the SLO table: `python -m mixin.generate`; `--check` tells of drift instead.

`--quick FACTOR --to DIRECTORY` writes the rules alone, with every window divided by FACTOR, for incidents that tests
cause: an hour's window is a minute at 60. Expressions, thresholds and names are the same.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mixin import burn_rate, rule, slo, symptoms
from mixin.dashboards import BOARDS
from mixin.schema import problems

ROOT = Path(__file__).resolve().parents[1]
DASHBOARDS = Path("grafana/dashboards")
RULES = Path("prometheus/rules")
RULE_FILES = {"slo.yaml": burn_rate.groups(), "symptoms.yaml": symptoms.GROUPS}
SLO_DATA = Path("console/clew_console/data/slo.json")


def files() -> dict[Path, str]:
    """Return the text of every generated file, by its path in the checkout."""
    return {
        **{DASHBOARDS / f"{board.name}.json": board.json() for board in BOARDS},
        **{RULES / name: rule.write(groups) for name, groups in RULE_FILES.items()},
        SLO_DATA: json.dumps(slo.as_data(), indent=2) + "\n",
    }


def stale(root: Path, wanted: Mapping[Path, str]) -> list[Path]:
    """Return the files that differ from what is wanted, are missing, or are there though nothing makes them."""
    there = [path.relative_to(root) for path in (root / DASHBOARDS).glob("*.json")]
    there += [path.relative_to(root) for path in (root / RULES).glob("*.yaml")]
    differing = [path for path, text in wanted.items() if not _is(root / path, text)]
    return sorted({*differing, *(path for path in there if path not in wanted)})


def wrong(wanted: Mapping[Path, str]) -> list[tuple[Path, str]]:
    """Return what is wrong with the dashboards among these files."""
    boards = [(path, json.loads(text)) for path, text in wanted.items() if path.parent == DASHBOARDS]
    return [(path, problem) for path, board in boards for problem in problems(board)]


def quick_rules(factor: int) -> dict[str, str]:
    """Return the rule files with every window divided."""
    return {
        name: rule.write([rule.quickened(group, factor) for group in groups]) for name, groups in RULE_FILES.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or tell with `--check` which would change; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m mixin.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a file would change")
    parser.add_argument("--quick", type=int, metavar="FACTOR", help="divide all windows of the rules")
    parser.add_argument("--to", type=Path, metavar="DIRECTORY", help="where --quick writes")
    chosen = parser.parse_args(arguments)
    if (chosen.quick is None) != (chosen.to is None):
        parser.error("--quick and --to belong together")
    if chosen.quick is not None:
        _write(chosen.to, {Path(name): text for name, text in quick_rules(chosen.quick).items()})
        return 0
    wanted = files()
    differing = stale(ROOT, wanted)
    if chosen.check:
        found = [f"{path}: not what mixin/ makes; run `make generate`" for path in differing]
        found += [f"{path}: {problem}" for path, problem in wrong(wanted)]
        sys.stderr.writelines(f"{line}\n" for line in found)
        return 1 if found else 0
    for path in differing:
        if path not in wanted:
            (ROOT / path).unlink()
    _write(ROOT, wanted)
    return 0


def _write(root: Path, texts: Mapping[Path, str]) -> None:
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
