"""Golden shapes: the expected shape of a test's traces in a file, compared, and written anew on request."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from instrumentation.testing.records import Span
from instrumentation.testing.shape import difference, normalised, shape_of

_HEAD = "# Expected shape of traces; written by `pytest --clew-update`.\n"


@dataclass(frozen=True, slots=True)
class Golden:
    """Where the golden shapes of one test are.

    Attributes:
        directory: Of the files.
        test: Name of the test.
        update: Whether shapes that differ are written instead of compared.
    """

    directory: Path
    test: str
    update: bool = False

    def file(self, name: str = "") -> Path:
        """Return the file of a shape: `TEST.trace`, or `TEST.NAME.trace` if it has a name."""
        parts = [re.sub(r"[^A-Za-z0-9_.-]+", "-", part).strip("-") for part in (self.test, name) if part]
        return self.directory / f"{'.'.join(parts)}.trace"

    def compare(self, spans: Sequence[Span], name: str = "", *, attributes: Sequence[str] = ()) -> None:
        """Compare spans with the file, or write it if that was asked for.

        Raises:
            AssertionError: they differ, or there is no file; tells how to write it.
        """
        file, actual = self.file(name), shape_of(spans, attributes=attributes)
        expected = _read(file)
        if expected == actual:
            return
        if self.update:
            _write(file, actual)
        elif expected is None:
            raise AssertionError(f"there is no golden shape {file}; write it with --clew-update. Captured:\n{actual}")
        else:
            raise AssertionError(
                f"{difference(expected, actual, spans)}\nIf this is what it should be: --clew-update writes {file}"
            )


def _read(file: Path) -> str | None:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return normalised("\n".join(line for line in text.splitlines() if not line.startswith("#")))


def _write(file: Path, shape: str) -> None:
    """Replace the file whole, since workers of pytest-xdist may write side by side."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.write_text(f"{_HEAD}{shape}\n", encoding="utf-8")
    fresh.replace(file)
