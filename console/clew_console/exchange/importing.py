"""Read the file of a run into a store of its own.

The file may come from anyone: its parts are read as received OTLP is, nothing in it names a path, and what it inflates
to, what it may store and how long a part is are bounded.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from clew_console.exchange.format import Frame, RunDecoder, RunFileError
from clew_console.receive.signal import SIGNALS
from clew_console.store.directory import Directory
from clew_console.store.runs import Run, RunError, Runs, new_run
from clew_console.store.writer import Writer

FULL_WAIT_SECONDS = 0.02
"""Between two tries to queue a part while the writer is busy."""
FINISH_SECONDS = 60.0
CHECK_FRAMES = 32

_SIGNALS = {signal.path.removeprefix("/v1/"): signal for signal in SIGNALS}


class Import:
    """A file on its way into the store. Give it the pieces, then finish."""

    def __init__(self, path: Path, room_bytes: int) -> None:
        self.records = 0
        self._room_bytes = room_bytes
        self._decoder = RunDecoder()
        self._about: dict[str, Any] = {}
        self._directory = Directory(path, 4 * room_bytes)
        self._writer = Writer(self._directory)
        self._writer.start()
        self._frames = 0
        self._is_stopped = False

    def feed(self, data: bytes) -> None:
        """Store what is complete with this piece; waits while the writer is busy.

        Raises:
            RunFileError: the file is damaged, no run, or too large.
        """
        for frame in self._decoder.feed(data):
            if frame.kind == "about":
                self._about = _about(frame)
            else:
                self._submit(frame)

    def finish(self) -> str:
        """Write all; return the file's checksum.

        Raises:
            RunFileError: the file ends too early, or is too large.
        """
        self._decoder.finish()
        self._stop()
        self._check_room()
        return self._decoder.checksum

    @property
    def name(self) -> str:
        """The run's name as the file has it."""
        return self._about["name"]

    @property
    def started_ns(self) -> int:
        """When the run began."""
        return self._about["started_ns"]

    def close(self) -> None:
        """Stop the writer and let go of the files."""
        self._stop()
        self._directory.close()

    def _stop(self) -> None:
        if not self._is_stopped and not self._writer.stop(FINISH_SECONDS):
            raise RunFileError(f"it could not be written within {FINISH_SECONDS:.0f} s")
        self._is_stopped = True

    def _submit(self, frame: Frame) -> None:
        signal = _SIGNALS[frame.kind]
        message = signal.request()
        try:
            message.ParseFromString(frame.content)
        except DecodeError as error:
            raise RunFileError("it is damaged: a part is no OTLP") from error
        batch, _ = signal.batch(message, frame.content)
        while batch.rows and not self._writer.submit(batch):
            time.sleep(FULL_WAIT_SECONDS)
        self.records += batch.rows
        self._frames += 1
        if self._frames % CHECK_FRAMES == 0:
            self._check_room()

    def _check_room(self) -> None:
        if sum(segment.size_bytes for segment in self._directory.segments()) > self._room_bytes:
            room = f"{self._room_bytes >> 20} MiB"
            raise RunFileError(f"it needs more than {room}, half of the console's --max-size; raise that")


def _about(frame: Frame) -> dict[str, Any]:
    try:
        about = json.loads(frame.content)
        return {"name": str(about["name"]), "started_ns": min(max(int(about["started_ns"]), 0), 1 << 62)}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunFileError("it is damaged: it does not say which run it is") from error


@contextmanager
def importing(runs: Runs, name: str = "") -> "Iterator[Importing]":
    """Give what takes the pieces of a file; afterwards its `run` is there, or an error was raised and nothing is.

    Args:
        runs: Where to.
        name: Of the run; "" takes the file's own.

    Raises:
        RunFileError: the file is damaged, no run, or too large.
        RunError: it was imported before.
    """
    with runs.receiving() as (path, receipt):
        arriving = Import(path, runs.room_bytes)
        importer = Importing(arriving)
        try:
            yield importer
            checksum = arriving.finish()
        finally:
            arriving.close()
        known = runs.imported(checksum)
        if known is not None:
            raise RunError(f"it was imported before, as {known.name!r}")
        receipt.run = importer.run = new_run(name or arriving.name, arriving.started_ns, checksum)


class Importing:
    """Takes the pieces of a file.

    Attributes:
        run: What it became, once all is stored.
    """

    def __init__(self, arriving: Import) -> None:
        self.run: Run | None = None
        self._arriving = arriving
        self.feed = arriving.feed

    @property
    def records(self) -> int:
        """Spans, log records and points stored so far."""
        return self._arriving.records
