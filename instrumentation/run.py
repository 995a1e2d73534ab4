"""`clew run`: start a Python program with the kit switched on, without a change to its code.

The program is started with a `sitecustomize` of ours at the front of its path; that module instruments the process
before the program's first line, and hands on to any `sitecustomize` that was there before.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

AUTOLOAD = Path(__file__).parent / "autoload"


def environment(environ: Mapping[str, str], service_name: str | None) -> dict[str, str]:
    """Return the environment of a program that is to be instrumented."""
    path = [str(AUTOLOAD), *filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))]
    changed = {**environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(path))}
    if service_name:
        changed["OTEL_SERVICE_NAME"] = service_name
    return changed


def main(arguments: Sequence[str]) -> int:
    """Replace this process by the instrumented program.

    Returns:
        Only if the program cannot be started: 127 if there is no such command, 2 if none was named.
    """
    parser = argparse.ArgumentParser(
        prog="clew run",
        description="Start a Python program with logs, metrics and traces wired in.",
        epilog="example: clew run --service-name orders -- uvicorn orders:app",
    )
    parser.add_argument("--service-name", help="service.name of its telemetry (OTEL_SERVICE_NAME)")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- COMMAND [ARGUMENT ...]")
    options = parser.parse_args(arguments)
    command: list[str] = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        parser.print_usage(sys.stderr)
        sys.stderr.write("clew run: no command; name one after --, such as: clew run -- python app.py\n")
        return 2
    program = shutil.which(command[0])
    if program is None:
        sys.stderr.write(f"clew run: command not found: {command[0]}\n")
        return 127
    sys.stdout.flush()
    return os.execve(program, command, environment(os.environ, options.service_name))  # noqa: S606 the user's command
