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


def deaf_option(program: str, arguments: Sequence[str]) -> str | None:
    """Return the interpreter's option, in the command or a script's first line, that keeps the kit out of a program."""
    options = _options(arguments) if _is_python(program) else _options(_first_line(program))
    return next((option for option in options if set(option[1:]) & set("EIS")), None)


def _is_python(program: str) -> bool:
    return Path(program).name.startswith(("python", "pypy"))


def _first_line(program: str) -> list[str]:
    """Return the arguments of the interpreter that a script names, if that is Python."""
    with Path(program).open("rb") as file:
        line = file.readline(512).decode(errors="replace")
    if not line.startswith("#!"):
        return []
    words = line[2:].split()
    if words and Path(words[0]).name == "env":
        words = [word for word in words[1:] if word != "-S" and "=" not in word]
    return words[1:] if words and _is_python(words[0]) else []


def _options(arguments: Sequence[str]) -> list[str]:
    """Return the interpreter's own options, which stand before the program."""
    options: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if not argument.startswith("-") or argument[1:2] in ("", "c", "m", "-"):
            break
        options.append(argument)
        if argument in ("-W", "-X"):
            next(rest, None)
    return [option for option in options if option[1] not in "WX"]


def main(arguments: Sequence[str]) -> int:
    """Replace this process by the instrumented program.

    Returns:
        Only if the program is not started: 127 if there is no such command, 2 if none was named or it would be deaf.
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
    if deaf := deaf_option(program, command[1:]):
        sys.stderr.write(
            f"clew run: {command[0]} runs Python with {deaf}, which keeps PYTHONPATH or site away: it would send "
            "nothing. Leave the option out, or call instrument() in the program.\n"
        )
        return 2
    sys.stdout.flush()
    return os.execve(program, command, environment(os.environ, options.service_name))  # noqa: S606 the user's command
