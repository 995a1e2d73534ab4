"""Named runs: each keeps its telemetry in a directory of its own under `runs/`, beside what has no name."""

import json
import secrets
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from clew_console.store.directory import DEFAULT_MAX_SIZE_BYTES, MIN_MAX_SIZE_BYTES, Directory
from clew_console.store.segment import segments

UNNAMED = "unnamed"
"""The id of what was received without a name; it lies in the data directory itself."""
MAX_NAME_CHARACTERS = 120
MAX_RUNS = 200
MAX_OPEN = 3
"""Past runs kept open; each may keep inflated blocks of up to 48 MiB."""

ADDRESS = "address"
"""A file with the URL of the console that holds the directory."""

_IMPORTING = ".importing-"
_ABOUT = "run.json"


class RunError(Exception):
    """A run cannot be had; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run.

    Attributes:
        id: Names its directory and stands in addresses.
        name: As people gave it, at most 120 characters.
        started_ns: When its recording began, on the machine that recorded it.
        origin: The checksum of the file it was imported from, "" for one recorded here.
    """

    id: str
    name: str
    started_ns: int
    origin: str = ""


class Runs:
    """The runs of one data directory, of which one is written.

    Args:
        root: Made if it is not there.
        max_size_bytes: Cap of all runs together. Past runs take at most half; the oldest are deleted beyond that.
        name: Of the run to write: the one of this name, or else a new one; "" writes what has no name.

    Raises:
        SegmentError: another process holds the directory, or a file is not readable by this version.
    """

    def __init__(self, root: Path, max_size_bytes: int = DEFAULT_MAX_SIZE_BYTES, name: str = "") -> None:
        self._root = root
        self._max_size_bytes = max_size_bytes
        self._address = root / ADDRESS
        self._lock = threading.Lock()
        self._unnamed = Directory(root, max_size_bytes)
        self._open: OrderedDict[str, Directory] = OrderedDict()
        try:
            self._remove_leftovers()
            self.current = self._named(name) if name else Run(UNNAMED, "", 0)
            self.directory = self._directory(self.current) if name else self._unnamed
            self.hold_cap()
        except BaseException:
            self._unnamed.close()
            raise

    def announce(self, url: str) -> None:
        """Leave the console's address for commands that find the directory in use."""
        self._address.write_text(url, encoding="utf-8")

    def close(self) -> None:
        """Let another process have the directory; a run that nothing came for is not kept."""
        self._address.unlink(missing_ok=True)
        for directory in self._open.values():
            directory.close()
        if self.directory is not self._unnamed:
            self.directory.close()
            if not self.directory.segments():
                shutil.rmtree(self.directory.path, ignore_errors=True)
        self._unnamed.close()

    def all(self) -> list[Run]:
        """List the runs, the newest first; what has no name last, if there is any."""
        named = sorted(self._listed(), key=lambda run: (-run.started_ns, run.id))
        has_unnamed = self.current.id == UNNAMED or bool(segments(self._root))
        return [*named, Run(UNNAMED, "", 0)] if has_unnamed else named

    def find_id(self, run_id: str) -> Run | None:
        """Return the run of an id."""
        return next((run for run in self.all() if run.id == run_id), None)

    def find(self, text: str) -> Run | None:
        """Return the run of an id, or else the newest of a name."""
        known = self.all()
        return next((run for run in known if run.id == text), next((run for run in known if run.name == text), None))

    def directory_of(self, run: Run) -> Directory:
        """Return what a run has stored, for reading.

        Raises:
            SegmentError: another version wrote it.
        """
        if run.id == self.current.id:
            return self.directory
        if run.id == UNNAMED:
            return self._unnamed
        with self._lock:
            found = self._open.pop(run.id, None) or self._directory(run)
            self._open[run.id] = found
            while len(self._open) > MAX_OPEN:
                self._open.popitem(last=False)[1].close()
        return found

    def imported(self, origin: str) -> Run | None:
        """Return the run that was imported from the file with this checksum."""
        return next((run for run in self._listed() if run.origin == origin), None)

    @property
    def room_bytes(self) -> int:
        """How large an imported run may become."""
        return self._max_size_bytes // 2

    @contextmanager
    def receiving(self) -> "Iterator[tuple[Path, Receipt]]":
        """Give a directory to import into; it becomes a run when the receipt is filled, and else goes."""
        path = self._root / "runs" / f"{_IMPORTING}{secrets.token_hex(8)}"
        path.mkdir(parents=True)
        receipt = Receipt()
        try:
            yield path, receipt
            if receipt.run is not None:
                _write_about(path, receipt.run)
                path.rename(self._path(receipt.run.id))
                self.hold_cap()
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def hold_cap(self) -> None:
        """Delete the oldest past runs beyond half of the cap; what is written has the rest."""
        past = [run for run in reversed(self.all()) if run.id not in {self.current.id, UNNAMED}]
        sizes = {run.id: sum(one.size_bytes for one in segments(self._path(run.id))) for run in past}
        if self.directory is not self._unnamed:
            self._unnamed.max_size_bytes = self._max_size_bytes // 2
            self._unnamed.prune()
            sizes[UNNAMED] = sum(one.size_bytes for one in segments(self._root))
        while past and (sum(sizes.values()) > self._max_size_bytes // 2 or len(past) >= MAX_RUNS):
            oldest = past.pop(0)
            del sizes[oldest.id]
            self.delete(oldest)
        self.directory.max_size_bytes = max(self._max_size_bytes - sum(sizes.values()), MIN_MAX_SIZE_BYTES // 2)

    def delete(self, run: Run) -> None:
        """Delete a past run and all it stored."""
        with self._lock:
            opened = self._open.pop(run.id, None)
            if opened is not None:
                opened.close()
            shutil.rmtree(self._path(run.id), ignore_errors=True)

    def _path(self, run_id: str) -> Path:
        return self._root / "runs" / run_id

    def _directory(self, run: Run) -> Directory:
        return Directory(self._path(run.id), self._max_size_bytes)

    def _listed(self) -> Iterator[Run]:
        parent = self._root / "runs"
        for path in parent.iterdir() if parent.is_dir() else ():
            run = None if path.name.startswith(".") else _read_about(path)
            if run is not None:
                yield run

    def _named(self, name: str) -> Run:
        """Return the run of this name that was recorded here, or make it."""
        own = sorted((run for run in self._listed() if run.name == name and not run.origin), key=lambda run: run.id)
        if own:
            return own[-1]
        run = new_run(name)
        self._path(run.id).mkdir(parents=True)
        _write_about(self._path(run.id), run)
        return run

    def _remove_leftovers(self) -> None:
        """Remove imports that were interrupted."""
        for path in (self._root / "runs").glob(f"{_IMPORTING}*"):
            shutil.rmtree(path, ignore_errors=True)


class Receipt:
    """Filled when an import is complete."""

    run: Run | None = None


def new_run(name: str, started_ns: int = 0, origin: str = "") -> Run:
    """Return a run with an id of its own: its time, readable and in order, and four random digits."""
    now = datetime.now(UTC)
    return Run(f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(2)}", clean_name(name), started_ns or time.time_ns(), origin)


def clean_name(text: str) -> str:
    """Return a name that can be shown on one line."""
    printable = "".join(one if one.isprintable() else " " for one in text)
    return " ".join(printable.split())[:MAX_NAME_CHARACTERS] or "run"


def _write_about(path: Path, run: Run) -> None:
    (path / _ABOUT).write_text(json.dumps(asdict(run)), encoding="utf-8")


def _read_about(path: Path) -> Run | None:
    """Return what a directory says of its run; the id is the directory's own name, whatever is written in it."""
    try:
        about = json.loads((path / _ABOUT).read_text(encoding="utf-8"))
        return Run(path.name, clean_name(str(about["name"])), int(about["started_ns"]), str(about["origin"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
