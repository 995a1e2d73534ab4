"""Show the metrics of all workers of a server on the page of each.

A thread of each worker puts its snapshot into the server's file once a second, so requests pay nothing for it. A
scrape first puts in its own worker's newest snapshot and then reads the others': what a page has shown, every later
page of any worker has too, so no counter ever falls.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from instrumentation.diagnostics import Diagnostics
from instrumentation.encode.family import Family
from instrumentation.export import worker_group

if TYPE_CHECKING:
    from instrumentation.export.worker_file import WorkerFile, WorkersSeen

PUBLISH_SECONDS = 1.0
"""So much of its counts a worker that is killed takes with it. A publication takes 4 ms, most of them for /proc."""
_SHARE = 20
"""A publication may take this part of the thread's time at most: with many series it comes more seldom."""


class Workers:
    """This process among the workers of its server; alone if there are none.

    Args:
        service: Name of the service.
        collect: Takes a snapshot of this process' metrics.
        diagnostics: Where failures are told.
    """

    def __init__(self, service: str, collect: Callable[[], list[Family]], diagnostics: Diagnostics) -> None:
        self._service = service
        self._collect = collect
        self._diagnostics = diagnostics
        self._lock = threading.Lock()
        self._file: WorkerFile | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._is_helper = False

    def prepare(self) -> None:
        """Import what several workers need, before a request does."""
        _page()

    def join(self) -> None:
        """Take a place among the workers if this process is one of several. Cheap if it has one; never raises."""
        if self._file is not None or self._is_helper:
            return
        try:
            with self._lock:
                if self._file is None:
                    self._file = self._joined()
        except OSError as error:
            self._say(error)
        if self._file is not None and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="clew-workers", daemon=True)
            self._thread.start()

    def families(self) -> list[Family] | None:
        """Return the metrics of all workers; None if this process is alone."""
        self.join()
        try:
            if self._file is not None:
                return _page().combined(self.publish(), [self._file.seen()])
            led = self._led()
        except (OSError, ValueError) as error:
            self._say(error)
            return None
        return _page().combined(self._collect(), led) if led else None

    def publish(self) -> list[Family]:
        """Show the others this process' newest snapshot, and return it; collect nothing if there are no others."""
        with self._lock:  # so that what is collected later is published later
            if self._file is None:
                return []
            families = self._collect()
            try:
                self._file.publish(self._fitting(families))
            except OSError as error:
                self._say(error)
        return families

    def forget_parent(self, then: Callable[[], None]) -> None:
        """Begin anew in a forked child: join in a thread, then call `then`. A worker's own children are no workers."""
        self._is_helper = self._is_helper or self._file is not None
        if self._file is not None:
            self._file.close()
        self._file = self._thread = None
        self._lock, self._stop = threading.Lock(), threading.Event()
        threading.Thread(target=lambda: (self.join(), then()), name="clew-join", daemon=True).start()

    def leave(self) -> None:
        """Publish for the last time; for a process that goes on without the kit."""
        self._stop.set()
        if self._file is not None:
            self.publish()
            try:
                self._file.give_up()
            except OSError as error:
                self._say(error)

    def _joined(self) -> "WorkerFile | None":
        group = worker_group.find(self._service)
        if group is None:
            return None
        where = worker_group.directory()
        worker_group.sweep(where)
        file = _page().opened(where / group.file_name())
        pid = os.getpid()
        if file.take(pid, worker_group.start_ticks(pid) or 0):
            return file
        file.close()
        self._diagnostics.line("workers", "no place among the workers: /metrics shows this one alone")
        return None

    def _led(self) -> "list[WorkersSeen]":
        """Read the files of this process' own workers."""
        seen: list[WorkersSeen] = []
        for path in worker_group.led_by_us(self._service):
            file = _page().opened(path)
            seen.append(file.seen())
            file.close()
        return seen

    def _fitting(self, families: Sequence[Family]) -> bytes:
        data, left_out = _page().fitting(families)
        if left_out:
            self._diagnostics.line("workers", f"too many series to show {', '.join(left_out)} for all workers")
        return data

    def _run(self) -> None:
        stop, pause = self._stop, PUBLISH_SECONDS
        while not stop.wait(pause):
            began = time.monotonic()
            try:
                self.publish()
            except Exception as error:
                self._say(error)
            pause = max(PUBLISH_SECONDS, _SHARE * (time.monotonic() - began))

    def _say(self, error: Exception) -> None:
        self._diagnostics.line("workers", f"/metrics of several workers: {type(error).__name__}: {error}")


def _page() -> Any:
    """Return what is needed once there are several workers."""
    return import_module("instrumentation.export.worker_page")


# Workers that this process forks look for each other in a thread, where nothing should be imported.
os.register_at_fork(before=_page)
