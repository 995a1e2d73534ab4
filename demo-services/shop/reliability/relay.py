"""Relay: publish what the outbox holds, in order, at least once."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from opentelemetry import trace
from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, insert, select
from sqlalchemy import update as sql_update

from instrumentation import get_logger, span
from shop.reliability.outbox import Outbox, StoredMessage, resumed

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from shop.reliability.database import Database

BATCH = 100
POLL_SECONDS = 0.2
"""Finds what another process on the same database stored, and what a crash left behind."""
LEASE_SECONDS = 5.0
"""How long a dead relay keeps the other process of its service waiting."""
RETRY_SECONDS = 1.0
WATCH_SECONDS = 1.0
"""How often the depth of the outbox is measured."""

log = get_logger(__name__)


class Publish(Protocol):
    """Hand one message to the broker; return when the broker has stored it."""

    async def __call__(self, message: StoredMessage) -> None:
        """Raise if the broker may not have it."""
        ...


def lease_table(metadata: MetaData) -> Table:
    """Define the table of one row that says which process relays, and until when."""
    return Table(
        "relay_lease",
        metadata,
        Column("only", Integer, primary_key=True, autoincrement=False),
        Column("holder", String(64), nullable=False),
        Column("until_ns", BigInteger, nullable=False),
    )


class Lease:
    """Lets one of several relays on a database work at a time, so that messages keep their order."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._holder = uuid4().hex
        self._until_ns = 0

    @property
    def fresh(self) -> bool:
        """Whether this process holds the lease for at least half its time more; then no renewal is needed."""
        return self._until_ns - time.time_ns() > LEASE_SECONDS * 5e8

    async def is_taken(self, connection: AsyncConnection) -> bool:
        """Tell whether another process holds the lease."""
        row = await self._stored(connection)
        return row is not None and row.holder != self._holder and row.until_ns > time.time_ns()

    async def take(self, connection: AsyncConnection) -> bool:
        """Take or renew the lease; return False while another process holds it."""
        now_ns = time.time_ns()
        row = await self._stored(connection)
        if row is not None and row.holder != self._holder and row.until_ns > now_ns:
            return False
        until_ns = now_ns + int(LEASE_SECONDS * 1e9)
        values = {"only": 1, "holder": self._holder, "until_ns": until_ns}
        await connection.execute((insert if row is None else sql_update)(self.table).values(values))
        self._until_ns = until_ns
        return True

    async def _stored(self, connection: AsyncConnection) -> Any:
        return (await connection.execute(select(self.table.c.holder, self.table.c.until_ns))).first()

    async def give_up(self, connection: AsyncConnection) -> None:
        """End the lease now, so that another process need not wait for it."""
        mine = self.table.c.holder == self._holder
        await connection.execute(sql_update(self.table).where(mine).values(until_ns=0))
        self._until_ns = 0


class Relay:
    """A loop that publishes unsent messages until it is cancelled.

    A crash between publishing and marking publishes again: consumers need an inbox. A message that cannot be
    published keeps those behind it waiting, because they may tell about the same thing.
    """

    def __init__(self, database: Database, outbox: Outbox, lease: Table, publish: Publish) -> None:
        self._database = database
        self._outbox = outbox
        self._lease = Lease(lease)
        self._publish = publish

    async def run(self) -> None:
        """Relay until cancelled; a failed pass is logged and repeated after RETRY_SECONDS."""
        try:
            while True:
                await self._wait()
                await self._pass_or_back_off()
        finally:
            async with self._database.write(quietly=True) as connection:
                await self._lease.give_up(connection)

    async def watch(self) -> None:
        """Measure what waits until cancelled, also while another process relays or the broker is away."""
        while True:
            async with self._database.read() as connection:
                self._outbox.telemetry.waiting(*await self._outbox.waiting(connection))
            await asyncio.sleep(WATCH_SECONDS)

    async def relay_once(self) -> int:
        """Publish one batch and return how many messages were sent; 0 without the lease or without messages."""
        if not self._lease.fresh and not await self._renew_lease():
            return 0
        async with self._database.read() as connection:
            messages = await self._outbox.unsent(connection, BATCH)
        if messages:
            with span("outbox.relay", **{"messaging.batch.message_count": len(messages)}):
                await self._send(messages)
        return len(messages)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._database.committed.wait()
        except TimeoutError:
            return

    async def _pass_or_back_off(self) -> None:
        self._database.committed.clear()
        try:
            while await self.relay_once() == BATCH:
                pass
        except Exception as error:
            self._outbox.telemetry.failed()
            log.warning("outbox relay failed, will retry", error=repr(error), retry_seconds=RETRY_SECONDS)
            await asyncio.sleep(RETRY_SECONDS)
            self._database.committed.set()

    async def _renew_lease(self) -> bool:
        """Take or renew the lease; quietly, or a relay that waits for it would wake itself for ever."""
        async with self._database.read() as connection:
            if await self._lease.is_taken(connection):
                return False
        async with self._database.write(quietly=True) as connection:
            return await self._lease.take(connection)

    async def _send(self, messages: list[StoredMessage]) -> None:
        sent: list[int] = []
        loop_span = trace.get_current_span().get_span_context()
        try:
            for message in messages:
                with resumed(message.headers, link=loop_span):
                    await self._publish(message)
                self._outbox.telemetry.published((time.time_ns() - message.stored_at_ns) / 1e9)
                sent.append(message.row_id)
        finally:
            if sent:
                async with self._database.write(quietly=True) as connection:
                    await self._outbox.mark_sent(connection, sent)
                self._outbox.telemetry.marked(len(sent))
