"""Where runs are kept: a data directory that no console holds, or a running console (remote.py)."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from clew_console.exchange.export import export_run
from clew_console.exchange.importing import importing
from clew_console.store.runs import Run, Runs


class Shelf(Protocol):
    """Lists runs, gives one as a file, takes one."""

    def runs(self) -> list[Run]:
        """List the runs, the newest first."""
        ...

    def export(self, run: Run) -> Iterator[bytes]:
        """Yield a run's file."""
        ...

    def add(self, pieces: Iterable[bytes], name: str, size_bytes: int) -> str:
        """Take a file of this size; say what it became."""
        ...


class LocalShelf:
    """A data directory.

    Raises:
        SegmentError: a console holds it, or another version wrote it.
    """

    def __init__(self, data: Path) -> None:
        self._runs = Runs(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runs.close()

    def runs(self) -> list[Run]:
        """List the runs that hold something."""
        return [run for run in self._runs.all() if self._runs.directory_of(run).segments()]

    def export(self, run: Run) -> Iterator[bytes]:
        """Yield a run's file."""
        return export_run(run, self._runs.directory_of(run))

    def add(self, pieces: Iterable[bytes], name: str, size_bytes: int) -> str:
        """Take a file; say what it became."""
        del size_bytes
        with importing(self._runs, name) as importer:
            for piece in pieces:
                importer.feed(piece)
        run = importer.run
        assert run is not None  # noqa: S101 - it came without an error
        return f"run {run.name!r}, {importer.records} records; look at it with `clew console`, page /run/{run.id}/"
