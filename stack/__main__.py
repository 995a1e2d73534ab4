"""The command line: `build` what the cache lacks, say `where` it is, and `validate` the configurations with it."""

import argparse
import sys
from pathlib import Path

from stack import binary
from stack.build import BuildError, build
from stack.recipe import BACKENDS, RECIPES
from stack.validate import checks, judge

ROOT = Path(__file__).parent.parent


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m stack", description="The stack's backends, without Docker.")
    commands = parser.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build", help="build from Go modules what is not in the cache (minutes, once)")
    building.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(RECIPES)}; without any, {', '.join(BACKENDS)}"
    )
    where = commands.add_parser("where", help="print the path of a program")
    where.add_argument("name")
    commands.add_parser("validate", help="have the programs that are there judge their configurations")
    options = parser.parse_args()
    if unknown := set(getattr(options, "names", ())) - set(RECIPES):
        parser.error(f"{', '.join(unknown)}: choose of {', '.join(RECIPES)}")
    try:
        return _run(options)
    except (binary.MissingBinaryError, BuildError, FileNotFoundError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _run(options: argparse.Namespace) -> int:
    if options.command == "build":
        for name in options.names or BACKENDS:
            _say(build(RECIPES[name]))
    elif options.command == "where":
        _say(binary.find(options.name))
    else:
        return _validate()
    return 0


def _validate() -> int:
    """Judge each configuration; what cannot be judged here is named and is no failure."""
    failed = 0
    for check in checks(ROOT):
        try:
            wrong = judge(check)
        except binary.MissingBinaryError as error:
            _say(f"{check.title}: not judged: {error}")
            continue
        _say(f"{check.title}: {wrong or 'valid'}")
        failed += bool(wrong)
    return 1 if failed else 0


def _say(line: object) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
