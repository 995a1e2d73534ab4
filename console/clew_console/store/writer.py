"""The one thread that writes: a bounded queue in, batched transactions out."""

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from clew_console.store.directory import Directory
from clew_console.store.edges import Edges
from clew_console.store.identities import Identities
from clew_console.store.pending import Pending
from clew_console.store.segment import Segment, open_for_write

logger = logging.getLogger(__name__)

MAX_DELAY_SECONDS = 0.1
"""Acknowledged data waits at most this long for its transaction; it is what kill -9 can lose."""
MAX_ROWS = 5_000
MAX_QUEUED_BYTES = 64 << 20
"""Of inflated request bodies; parsed they take about three times as much memory."""
RETRY_SECONDS = 0.5
MEASURE_SECONDS = 1.0
"""Between two looks at the sizes on disk."""

Write: TypeAlias = Callable[[Pending], None]


@dataclass(frozen=True, slots=True)
class Batch:
    """One accepted export request: how to write it, how many rows and bytes it was."""

    write: Write
    rows: int
    size_bytes: int


class Writer:
    """Write batches to the current segment, one transaction per 100 ms or 5000 rows.

    A full disk loses nothing accepted: the transaction is tried again, the queue fills and `submit` refuses.
    A batch that cannot be written for another reason is dropped, counted and logged.
    """

    def __init__(self, directory: Directory) -> None:
        self.written_rows = 0
        self.dropped_rows = 0
        self._directory = directory
        self._queue: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._queued_bytes = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="console-writer", daemon=True)
        self._segment: Segment | None = None
        self._identities: Identities | None = None
        self._edges = Edges()
        self._measured_at = 0.0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, batch: Batch) -> bool:
        """Take the batch, or return False when the queue is full or closing. Never blocks."""
        with self._lock:
            is_full = self._queued_bytes > 0 and self._queued_bytes + batch.size_bytes > MAX_QUEUED_BYTES
            if is_full or self._stopping.is_set():
                return False
            self._queued_bytes += batch.size_bytes
            self._queue.put(batch)
        return True

    @property
    def queued_bytes(self) -> int:
        """Bytes accepted and not written yet."""
        return self._queued_bytes

    def stop(self, timeout_seconds: float) -> bool:
        """Write what is queued, close the segment; return whether that was done in time."""
        with self._lock:
            self._stopping.set()
            self._queue.put(None)
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        is_open = True
        while is_open:
            batches, is_open = self._gather()
            if batches:
                self._write(batches)
                with self._lock:
                    self._queued_bytes -= sum(batch.size_bytes for batch in batches)
        self._close_segment()

    def _gather(self) -> tuple[list[Batch], bool]:
        batches = list[Batch]()
        rows, deadline = 0, None
        while rows < MAX_ROWS:
            try:
                batch = self._queue.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if batch is None:
                return batches, False
            deadline = deadline or time.monotonic() + MAX_DELAY_SECONDS
            rows += batch.rows
            batches.append(batch)
        return batches, True

    def _write(self, batches: list[Batch]) -> None:
        """Write all in one transaction; if that fails for a reason in the data, each in its own."""
        try:
            self._commit(batches)
        except Exception:
            if len(batches) == 1:
                self.dropped_rows += batches[0].rows
                logger.exception("dropped %d rows that could not be written", batches[0].rows)
                return
            for batch in batches:
                self._write([batch])

    def _commit(self, batches: list[Batch]) -> None:
        while True:
            try:
                self._transact(batches)
            except sqlite3.OperationalError as error:
                self._close_segment()
                logger.warning("cannot write to %s, trying again: %s", self._directory.path, error)
                if self._stopping.wait(RETRY_SECONDS):
                    raise
            else:
                return

    def _transact(self, batches: list[Batch]) -> None:
        identities = self._open()
        connection = identities.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            pending = Pending(identities, self._edges)
            for batch in batches:
                batch.write(pending)
            pending.finish()
            connection.execute("COMMIT")
        except BaseException:
            self._close_segment()  # rolls back, and forgets ids that no longer exist
            raise
        self.written_rows += sum(batch.rows for batch in batches)

    def _open(self) -> Identities:
        """Return the connection to the current segment, after closing a full or past one and pruning."""
        now = time.monotonic()
        if self._identities is None or now - self._measured_at >= MEASURE_SECONDS:
            self._measured_at = now
            current = self._directory.current()
            if current != self._segment:
                self._close_segment()
            for gone in self._directory.prune():
                logger.info("deleted %s to hold the size cap", gone.path.name)
            if self._identities is None:
                self._identities = Identities(open_for_write(current.path))
                self._segment = current
        return self._identities

    def _close_segment(self) -> None:
        """Close the file; closing the last connection merges the write-ahead log into it."""
        if self._identities is not None:
            self._identities.connection.close()
        self._identities = self._segment = None
