"""A console inside this process: for tests, and for programs that embed it."""

import asyncio
import threading

from clew_console.console import Console
from clew_console.options import Options
from clew_console.store.directory import Directory
from clew_console.store.runs import Run

TIMEOUT_SECONDS = 10.0


class RunningConsole:
    """A console in a thread of this process, as a context manager.

    Args:
        options: Use port 0 for all ports to pick free ones.

    Raises:
        PortError: a port is busy.
        SegmentError: the data directory is in use or of another version.
    """

    def __init__(self, options: Options) -> None:
        self._console = Console(options)
        self.addresses = self._console.addresses
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="console", daemon=True)

    @property
    def directory(self) -> Directory:
        """What it has stored, for reading."""
        return self._console.runs.directory

    @property
    def run(self) -> Run:
        """The run it writes."""
        return self._console.runs.current

    @property
    def written_rows(self) -> int:
        """Spans, log records and points stored so far."""
        return self._console.written_rows

    def __enter__(self) -> "RunningConsole":
        self._thread.start()
        self._ready.wait(TIMEOUT_SECONDS)
        return self

    def __exit__(self, *error: object) -> None:
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(TIMEOUT_SECONDS)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await self._console.run(self._stop, lambda _: self._ready.set())
