"""The `clew` command."""

import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

from instrumentation.installed import version


class Command(NamedTuple):
    """A subcommand.

    Attributes:
        summary: One line of the help.
        module: Where its `main(arguments) -> int` is.
        missing: What to do if the module, or what it needs, is not installed.
    """

    summary: str
    module: str
    missing: str


COMMANDS = {
    "run": Command("start a program with the kit switched on", "instrumentation.run", ""),
    "console": Command("serve the console: receive, store and show", "clew_console.cli", "pip install 'clew[console]'"),
    "doctor": Command("send one request's signals and follow every link", "instrumentation.doctor.cli", ""),
    "canary": Command("give a new version more calls as long as it holds", "instrumentation.canary.cli", ""),
    "demo": Command("run the demo shop with the console", "shop.demo", "pip install clew-demo"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help", "help"):
        sys.stdout.write(_help())
        return 0
    if name == "--version":
        sys.stdout.write(f"clew {version('clew')}\n")
        return 0
    command = COMMANDS.get(name)
    if command is None:
        sys.stderr.write(f"clew: unknown command {name!r}; known are {', '.join(COMMANDS)}\n")
        return 2
    try:
        module = importlib.import_module(command.module)
    except ModuleNotFoundError as error:
        sys.stderr.write(f"clew {name}: {error.name} is not installed; install it with: {command.missing}\n")
        return 1
    return module.main(arguments[1:])


def _help() -> str:
    rows = "".join(f"  {name:10}{command.summary}\n" for name, command in COMMANDS.items())
    return f"usage: clew COMMAND [ARGUMENT ...]\n\n{rows}\n`clew COMMAND --help` tells more.\n"


if __name__ == "__main__":
    sys.exit(main())
