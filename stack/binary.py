"""Where the built programs are."""

import os
from pathlib import Path

from stack.recipe import RECIPES


class MissingBinaryError(Exception):
    """A program of the stack is not there; the message says what makes it."""


def cache() -> Path:
    """Return the directory in which built programs are kept, outside any checkout."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clew" / "bin"


def find(name: str) -> Path:
    """Return the path of a program of the stack.

    A variable `NAME_BINARY` (say `TEMPO_BINARY`) names one that is to be used instead of a built one.

    Raises:
        MissingBinaryError: It is not there.
    """
    variable = f"{name.upper().replace('-', '_')}_BINARY"
    if chosen := os.environ.get(variable):
        if not os.access(chosen, os.X_OK):
            raise MissingBinaryError(f"{variable}={chosen} is not a program")
        return Path(chosen)
    if name not in RECIPES:
        raise MissingBinaryError(f"{name} cannot be built here: set {variable} to a binary of it")
    path = cache() / RECIPES[name].file_name
    if not path.exists():
        raise MissingBinaryError(f"{path} is not built: run `python -m stack build {name}`")
    return path
