"""The one thread that writes: a bounded queue in, batched transactions out."""

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from clew_console.store.directory import QUEUE_SHARE, Directory
from clew_console.store.edges import Edges
from clew_console.store.identities import Identities
from clew_console.store.journal import Journal
from clew_console.store.pending import Pending
from clew_console.store.segment import MAX_LOG_BYTES, Segment, close_written, open_for_write, set_progress

logger = logging.getLogger(__name__)

MAX_DELAY_SECONDS = 0.1
"""Accepted data waits at most this long for the transaction after which it is found."""
MAX_ROWS = 5_000
MAX_QUEUED_BYTES = 64 << 20
"""Of inflated request bodies."""
_TRANSACTION_SHARE = 64
"""A transaction has at most 1/64 of the size cap, unless it is a single request."""
RETRY_SECONDS = 0.5
MEASURE_SECONDS = 1.0
"""Between two looks at the sizes on disk."""

Write: TypeAlias = Callable[[Pending], None]


@dataclass(frozen=True, slots=True)
class Batch:
    """One accepted export request: how to write it, how many rows and bytes it was.

    Attributes:
        kind: Which signal, for the journal.
        data: What the journal keeps; None is not journalled.
    """

    write: Write
    rows: int
    size_bytes: int
    kind: int = 0
    data: bytes | None = None


Replay: TypeAlias = Callable[[int, bytes], Batch]
"""Makes a batch of its kind and data again."""


@dataclass(frozen=True, slots=True)
class Queued:
    """A batch with its place in the journal, 0 without one."""

    batch: Batch
    sequence: int


class Writer:
    """Write batches to the current segment, one transaction per 100 ms or 5000 rows.

    With `replay` what is accepted is journalled first, so that a killed process loses nothing of it: the next one
    writes what the journal has beyond the segments, each request once.

    A full disk loses nothing accepted: the transaction is tried again, the queue fills and `submit` refuses.
    A batch that cannot be written for another reason is dropped, counted and logged.
    """

    def __init__(
        self, directory: Directory, replay: Replay | None = None, max_queued_bytes: int = MAX_QUEUED_BYTES
    ) -> None:
        self.written_rows = 0
        self.dropped_rows = 0
        self.refused_requests = 0
        self._directory = directory
        self._max_queued_bytes = max_queued_bytes
        self._replay = replay
        self._journal = Journal(directory.path, directory.progress()) if replay else None
        self._queue: queue.SimpleQueue[Queued | None] = queue.SimpleQueue()
        self._queued_bytes = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="console-writer", daemon=True)
        self._segment: Segment | None = None
        self._identities: Identities | None = None
        self._edges = Edges()
        self._measured_at = 0.0
        self._unmeasured_bytes = 0

    def start(self) -> None:
        """Queue what an earlier process left in the journal, and start the thread."""
        if self._journal is not None and self._replay is not None:
            for record in self._journal.unsettled():
                self._put(self._replay(record.kind, record.data), record.sequence)
            if self._queued_bytes:
                logger.info("writing %d bytes that were accepted before the last end", self._queued_bytes)
        self._thread.start()

    def submit(self, batch: Batch) -> bool:
        """Take the batch, or return False when the queue is full or closing, or the disk of the journal full."""
        limit_bytes = min(self._max_queued_bytes, self._directory.max_size_bytes // QUEUE_SHARE)
        with self._lock:
            is_full = self._queued_bytes > 0 and self._queued_bytes + batch.size_bytes > limit_bytes
            sequence = None if is_full or self._stopping.is_set() else self._journalled(batch)
            if sequence is None:
                self.refused_requests += 1
                return False
            self._put(batch, sequence)
        return True

    def _put(self, batch: Batch, sequence: int) -> None:
        self._queued_bytes += batch.size_bytes
        self._queue.put(Queued(batch, sequence))

    def _journalled(self, batch: Batch) -> int | None:
        """Return the batch's place in the journal, 0 without one; None when the disk does not take it."""
        if self._journal is None or batch.data is None:
            return 0
        try:
            return self._journal.append(batch.kind, batch.data)
        except OSError as error:
            logger.warning("refused a request: the journal cannot be written: %s", error)
            return None

    @property
    def queued_bytes(self) -> int:
        """Bytes accepted and not written yet."""
        return self._queued_bytes

    @property
    def pruned_segments(self) -> int:
        """Segments deleted to hold the size cap."""
        return self._directory.pruned_segments

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
            queued, is_open = self._gather()
            if queued:
                is_settled = self._write(queued)
                with self._lock:
                    self._queued_bytes -= sum(one.batch.size_bytes for one in queued)
                    if self._journal is not None and is_settled:
                        self._journal.settle(max(one.sequence for one in queued))
                is_open = is_open and is_settled  # what comes behind must not settle what stays
        self._close_segment()
        if self._journal is not None:
            self._journal.close()

    def _gather(self) -> tuple[list[Queued], bool]:
        queued = list[Queued]()
        rows, size_bytes, deadline = 0, 0, None
        most_bytes = self._directory.max_size_bytes // _TRANSACTION_SHARE
        while rows < MAX_ROWS and size_bytes < most_bytes:
            try:
                one = self._queue.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if one is None:
                return queued, False
            deadline = deadline or time.monotonic() + MAX_DELAY_SECONDS
            rows += one.batch.rows
            size_bytes += one.batch.size_bytes
            queued.append(one)
        return queued, True

    def _write(self, queued: list[Queued]) -> bool:
        """Write all in one transaction; if that fails for a reason in the data, each in its own.

        Return False for what has to stay in the journal, since the disk did not take it before the end.
        """
        try:
            self._commit(queued)
        except Exception as error:
            if isinstance(error, sqlite3.OperationalError) and self._journal is not None:
                logger.warning("%d requests stay in the journal for the next start", len(queued))
                return False
            if len(queued) > 1:
                return all(self._write([one]) for one in queued)
            self.dropped_rows += queued[0].batch.rows
            logger.exception("dropped %d rows that could not be written", queued[0].batch.rows)
        return True

    def _commit(self, queued: list[Queued]) -> None:
        while True:
            try:
                self._transact(queued)
            except sqlite3.OperationalError as error:
                self._close_segment()
                logger.warning("cannot write to %s, trying again: %s", self._directory.path, error)
                if self._stopping.wait(RETRY_SECONDS):
                    raise
            else:
                return

    def _transact(self, queued: list[Queued]) -> None:
        identities = self._open(sum(one.batch.size_bytes for one in queued))
        connection = identities.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            pending = Pending(identities, self._edges)
            for one in queued:
                one.batch.write(pending)
            pending.finish()
            if self._journal is not None:
                set_progress(connection, max(one.sequence for one in queued))
            connection.execute("COMMIT")
        except BaseException:
            self._close_segment()  # rolls back, and forgets ids that no longer exist
            raise
        self.written_rows += sum(one.batch.rows for one in queued)

    def _open(self, size_bytes: int) -> Identities:
        """Return the connection to the current segment, after closing a full or past one and making room."""
        now, cap_bytes = time.monotonic(), self._directory.max_size_bytes
        self._unmeasured_bytes += size_bytes
        is_due = now - self._measured_at >= MEASURE_SECONDS or self._unmeasured_bytes >= cap_bytes // 100
        if self._identities is None or is_due:
            self._measured_at, self._unmeasured_bytes = now, 0
            current = self._directory.current()
            if current != self._segment:
                self._close_segment()
            # Twice: what is written is in the write-ahead log and in the file; and as much again till the next look.
            for gone in self._directory.prune(2 * size_bytes + cap_bytes // 50):
                logger.info("deleted %s to hold the size cap", gone.path.name)
            if self._identities is None:
                self._identities = Identities(open_for_write(current.path, min(MAX_LOG_BYTES, cap_bytes // 64)))
                self._segment = current
        return self._identities

    def _close_segment(self) -> None:
        """Close the file; what is in the write-ahead log goes into it."""
        if self._identities is not None:
            close_written(self._identities.connection)
        self._identities = self._segment = None
