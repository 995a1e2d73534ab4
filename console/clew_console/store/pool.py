"""Connections for reading, kept open, with what was read before and cannot change."""

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope

from clew_console.store.log_block import LogBlock
from clew_console.store.resource import ResourceRow, resource_row
from clew_console.store.segment import Segment, open_for_read
from clew_console.store.span_block import SpanBlock

MAX_IDLE = 32
"""Connections kept open; a connection with its page cache takes up to 2 MiB."""
MAX_BLOCKS = 96
"""Blocks kept inflated, of up to 0.5 MiB each."""

B = TypeVar("B", SpanBlock, LogBlock)


class BlockCache:
    """The blocks used last, over all segments and threads."""

    def __init__(self) -> None:
        self._blocks: OrderedDict[tuple[str, str, int], SpanBlock | LogBlock] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, str, int], make: Callable[[], B]) -> B:
        """Return the block, making it when it is not there."""
        with self._lock:
            found = self._blocks.get(key)
            if found is not None:
                self._blocks.move_to_end(key)
                return found  # type: ignore[return-value]
        made = make()
        with self._lock:
            self._blocks[key] = made
            while len(self._blocks) > MAX_BLOCKS:
                self._blocks.popitem(last=False)
        return made


class SegmentReader:
    """One segment, read by one thread at a time, as it was when the reader was taken from the pool."""

    def __init__(self, segment: Segment, connection: sqlite3.Connection, cache: BlockCache) -> None:
        self.segment = segment
        self.connection = connection
        self.execute = connection.execute
        self._cache = cache
        self._resources: dict[int, ResourceRow] = {}
        self._scopes: dict[int, tuple[InstrumentationScope, str]] = {}
        self._is_fresh = False

    def begin(self) -> None:
        """Take a snapshot."""
        self.execute("BEGIN")
        self._is_fresh = False

    def resources(self) -> dict[int, ResourceRow]:
        """Return all resources of the segment by id."""
        self._refresh()
        return self._resources

    def scopes(self) -> dict[int, tuple[InstrumentationScope, str]]:
        """Return all scopes of the segment by id, with their schema urls."""
        self._refresh()
        return self._scopes

    def _refresh(self) -> None:
        if self._is_fresh:
            return
        query = "SELECT id, service, schema_url, encoded FROM resource WHERE id > ?"
        for row in self.execute(query, (max(self._resources, default=0),)):
            self._resources[row[0]] = resource_row(row)
        query = "SELECT id, schema_url, encoded FROM scope WHERE id > ?"
        for scope_id, schema_url, encoded in self.execute(query, (max(self._scopes, default=0),)):
            self._scopes[scope_id] = InstrumentationScope.FromString(encoded), schema_url
        self._is_fresh = True

    def span_block(self, block_id: int) -> SpanBlock:
        """Return a block of spans."""
        return self._cache.get(
            (self.segment.path.name, "span", block_id), lambda: SpanBlock(self._blob("span", block_id))
        )

    def log_block(self, block_id: int) -> LogBlock:
        """Return a block of log records."""
        return self._cache.get((self.segment.path.name, "log", block_id), lambda: LogBlock(self._blob("log", block_id)))

    def _blob(self, kind: str, block_id: int) -> bytes:
        select = f"SELECT encoded FROM {kind}_block WHERE id = ?"  # noqa: S608 - constants
        return self.execute(select, (block_id,)).fetchone()[0]


class Pool:
    """Idle readers by segment."""

    def __init__(self) -> None:
        self._idle: OrderedDict[Segment, list[SegmentReader]] = OrderedDict()
        self._lock = threading.Lock()
        self._cache = BlockCache()

    def take(self, segment: Segment) -> SegmentReader:
        """Return a reader with a snapshot of the segment.

        Raises:
            sqlite3.OperationalError: the file is gone.
        """
        with self._lock:
            idle = self._idle.get(segment)
            reader = idle.pop() if idle else None
        if reader is None:
            reader = SegmentReader(segment, open_for_read(segment.path), self._cache)
        reader.begin()
        return reader

    def give_back(self, reader: SegmentReader) -> None:
        """Let go of the snapshot, and keep the connection for the next."""
        try:
            reader.connection.rollback()
        except sqlite3.Error:
            reader.connection.close()
            return
        with self._lock:
            self._idle.setdefault(reader.segment, []).append(reader)
            self._idle.move_to_end(reader.segment)
            while sum(map(len, self._idle.values())) > MAX_IDLE:
                self._drop(next(iter(self._idle)))

    def forget(self, segment: Segment) -> None:
        """Close what is open of a segment that is deleted."""
        with self._lock:
            if segment in self._idle:
                self._drop(segment)

    def close(self) -> None:
        """Close all that is idle."""
        with self._lock:
            for segment in list(self._idle):
                self._drop(segment)

    def _drop(self, segment: Segment) -> None:
        for reader in self._idle.pop(segment):
            reader.connection.close()
