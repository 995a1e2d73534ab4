"""What is installed, read from the files that lie beside the packages.

`importlib.metadata` tells the same, but brings parsers of mail, CSV and archives and reads each description whole: a
fifth of what import and set-up cost. Where packages lie in something else than directories it is asked all the same.
"""

import os
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, NamedTuple

from typing_extensions import override

if TYPE_CHECKING:
    from importlib import metadata

_ENDINGS = (".dist-info", ".egg-info")


class EntryPoint(NamedTuple):
    """What a distribution announces to others.

    Attributes:
        name: Of it, within its group.
        value: `module:attribute`.
        distribution: Who announces it.
    """

    name: str
    value: str
    distribution: "Distribution"


class Distribution:
    """An installed distribution in a directory.

    Args:
        directory: Where its files of metadata are.

    Attributes:
        name: In lower case, with underscores.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self.name = normalised(os.path.basename(directory).rpartition(".")[0].partition("-")[0])  # noqa: PTH119

    def text(self, file: str) -> str:
        """Return what is in a file of metadata; nothing if there is none."""
        try:
            with open(f"{self._directory}/{file}", encoding="utf-8", errors="replace") as opened:  # noqa: PTH123
                return opened.read()
        except OSError:
            return ""

    def fields(self, name: str) -> list[str]:
        """Return the values of a field of the core metadata, in order."""
        head, start = self._head(), f"{name}: "
        return [line[len(start) :].strip() for line in head.splitlines() if line.startswith(start)]

    def entry_points(self, group: str) -> list[EntryPoint]:
        """Return what it announces in a group."""
        text = self.text("entry_points.txt")
        if f"[{group}]" not in text:  # which most say nothing about
            return []
        found: list[EntryPoint] = []
        section = ""
        for raw in text.splitlines():
            line = raw.strip()
            if line.startswith("["):
                section = line.strip("[]")
            elif section == group and not line.startswith(("#", ";")) and "=" in line:
                name, _, value = line.partition("=")
                found.append(EntryPoint(name.strip(), value.strip(), self))
        return found

    def packages(self) -> list[str]:
        """Return the names of the modules and packages that it brings."""
        listed = self.text("top_level.txt")
        if listed:
            return listed.split()
        paths = [line.partition(",")[0] for line in self.text("RECORD").splitlines()]
        return list(dict.fromkeys(path.partition("/")[0].removesuffix(".py") for path in paths if path.endswith(".py")))

    def _head(self) -> str:
        text = self.text("METADATA") or self.text("PKG-INFO")
        return text.partition("\n\n")[0]


class _Reported(Distribution):
    """A distribution that `importlib.metadata` has found, wherever it is."""

    def __init__(self, found: "metadata.Distribution") -> None:
        super().__init__(f"{found.metadata['Name']}.dist-info")
        self._found = found

    @override
    def text(self, file: str) -> str:
        return self._found.read_text(file) or ""


def distributions() -> Iterator[Distribution]:
    """Yield what is installed, each name once: the first on the path."""
    seen: set[str] = set()
    for found in _in_directories() if _only_directories() else _reported():
        if found.name not in seen:
            seen.add(found.name)
            yield found


def distribution(name: str) -> Distribution | None:
    """Return the distribution of a name; None if it is not installed."""
    wanted = normalised(name)
    return next((found for found in distributions() if found.name == wanted), None)


def version(name: str) -> str | None:
    """Return the version of the distribution of a name; None if it is not installed."""
    found = distribution(name)
    return next(iter(found.fields("Version")), None) if found else None


def normalised(name: str) -> str:
    """Return a name as it is compared: in lower case, with single underscores."""
    return "_".join(part for part in name.strip().lower().replace("-", "_").replace(".", "_").split("_") if part)


def _in_directories() -> Iterator[Distribution]:
    for place in sys.path:
        try:
            names = os.listdir(place or ".")  # noqa: PTH208 half the time of Path
        except OSError:
            continue
        yield from (Distribution(f"{place or '.'}/{name}") for name in names if name.endswith(_ENDINGS))


def _only_directories() -> bool:
    """Tell whether all that is installed lies in directories: no archives, no finder that knows of more."""
    if any(hasattr(finder, "find_distributions") and finder is not PathFinder for finder in sys.meta_path):
        return False
    return not any(place.endswith(".egg") or os.path.isfile(place) for place in sys.path)  # noqa: PTH113


def _reported() -> Iterator[Distribution]:
    from importlib import metadata  # noqa: PLC0415 only here

    return map(_Reported, metadata.distributions())
