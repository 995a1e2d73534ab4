"""A service's own database: SQLite by default, any other by its SQLAlchemy URL."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sqlalchemy import MetaData
    from sqlalchemy.engine import Connection

PING_SECONDS = 1.0
PROBE_BUSY_TIMEOUT_MS = 800
"""Of a probe: it cannot be cancelled while SQLite waits."""
BUSY_TIMEOUT_MS = 10_000
"""How long one process waits for another's write on the same file before `database is locked`."""


_AFTER_COMMIT = "shop_after_commit"


class Database:
    """Connections of one process to one database. Open it before use, close it after.

    On SQLite the file is in WAL mode, so readers never wait; writes begin with BEGIN IMMEDIATE, because a
    transaction that reads first and writes later cannot be retried when another process wrote in between.
    """

    def __init__(self, url: str, metadata: MetaData) -> None:
        self._metadata = metadata
        self._engine = create_async_engine(url)
        self._writer = self._engine.execution_options(shop_write=True)
        # Of its own, so that a probe neither waits for a free connection nor for as long as a transaction may.
        self._probe = create_async_engine(url, poolclass=NullPool).execution_options(shop_write=True)
        # Waiting in the busy handler sleeps in steps of up to 100 ms; a lock hands over at once.
        self._write_turn = asyncio.Lock() if self.is_sqlite else nullcontext()
        if self.is_sqlite:
            _prepare_sqlite(self._engine, BUSY_TIMEOUT_MS)
            _prepare_sqlite(self._probe, PROBE_BUSY_TIMEOUT_MS)

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a SQLite file."""
        return self._engine.dialect.name == "sqlite"

    async def open(self) -> None:
        """Create the tables that are missing."""
        async with self.write() as connection:
            # Replicas start together, and IF NOT EXISTS does not keep two from making the same table.
            await take_turn(connection, "tables")
            await connection.run_sync(self._metadata.create_all)

    async def close(self) -> None:
        """Close all connections and, on SQLite, their threads."""
        await self._engine.dispose()
        await self._probe.dispose()

    async def ping(self) -> None:
        """Begin a write and end it without one; raise if that cannot be done within PING_SECONDS."""
        async with asyncio.timeout(PING_SECONDS), self._probe.connect() as connection:
            await connection.execute(text("SELECT 1"))

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection with one consistent view of the data."""
        async with self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection in a transaction: committed at the end, rolled back on an exception."""
        async with self._write_turn, self._writer.begin() as connection:
            told: list[Callable[[], None]] = []
            connection.info[_AFTER_COMMIT] = told
            yield connection
        for tell in told:
            tell()

    async def __aenter__(self) -> Database:
        await self.open()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()


async def take_turn(connection: AsyncConnection, name: str) -> None:
    """Wait until no other transaction has the turn of that name, and keep it until this one ends.

    For what reads, and inserts if there is nothing: a row that is not there cannot be locked. On SQLite a transaction
    of `Database.write` has every turn, as there is one at a time.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})


def after_commit(connection: AsyncConnection, tell: Callable[[], None]) -> None:
    """Call `tell` once the transaction of `Database.write` is committed; never if it is rolled back."""
    connection.info[_AFTER_COMMIT].append(tell)


def _prepare_sqlite(engine: AsyncEngine, busy_timeout_ms: int) -> None:
    event.listen(engine.sync_engine, "connect", partial(_configure_connection, busy_timeout_ms))
    event.listen(engine.sync_engine, "begin", _begin)
    event.listen(engine.sync_engine, "invalidate", _roll_back)


def _configure_connection(busy_timeout_ms: int, connection: Any, _record: object) -> None:
    """Set what SQLite keeps per connection, and leave BEGIN to us: the driver would defer it to the first write."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {busy_timeout_ms}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("shop_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _roll_back(connection: Any, _record: object, _error: object) -> None:
    """End the transaction of a task that was cancelled within it.

    SQLAlchemy closes the connection next, which does not: a statement that was not read to its end keeps SQLite's
    connection alive, and with it the lock, until its cursor is collected.
    """
    connection.run_async(lambda driver: driver.rollback())
