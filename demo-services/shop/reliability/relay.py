"""Relay: publish what the outbox holds, in order, at least once."""

from __future__ import annotations

import asyncio
import time
from itertools import chain, repeat
from typing import TYPE_CHECKING, Protocol
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
LEASE_SECONDS = 5.0
"""How long a dead relay keeps the other process of its service waiting."""
TURN_SECONDS = (0.02, 0.05, 0.1, 0.2)
"""How long to wait, again and again, for another process that relays; the last is repeated."""
RETRY_SECONDS = 1.0
WATCH_SECONDS = 1.0
"""How often the depth of the outbox is measured, which also finds what a dead process left behind."""

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

    async def free(self, connection: AsyncConnection) -> bool:
        """Tell whether no other process holds the lease; nobody takes it before the transaction ends."""
        row = (await connection.execute(select(self.table.c.holder, self.table.c.until_ns).with_for_update())).first()
        return row is None or row.holder == self._holder or row.until_ns <= time.time_ns()

    async def take(self, connection: AsyncConnection) -> None:
        """Take or renew the lease, in the transaction that found it free."""
        values = {"holder": self._holder, "until_ns": time.time_ns() + int(LEASE_SECONDS * 1e9)}
        if (await connection.execute(sql_update(self.table).values(values))).rowcount == 0:
            await connection.execute(insert(self.table).values(only=1, **values))

    async def give_up(self, connection: AsyncConnection) -> None:
        """End the lease now, so that another process need not wait for it."""
        mine = self.table.c.holder == self._holder
        await connection.execute(sql_update(self.table).where(mine).values(until_ns=0))


class Relay:
    """A loop that publishes unsent messages until it is cancelled.

    It works when this process has stored a message, and else sleeps: only `watch` looks at the database. The lease is
    held only while there is something to send, so that whichever process stores a message can publish it at once.

    A crash between publishing and marking publishes again: consumers need an inbox. A message that cannot be
    published keeps those behind it waiting, because they may tell about the same thing.
    """

    def __init__(self, database: Database, outbox: Outbox, lease: Table, publish: Publish) -> None:
        self._database = database
        self._outbox = outbox
        self._lease = Lease(lease)
        self._publish = publish
        self._wanted = asyncio.Event()

    async def run(self) -> None:
        """Relay until cancelled; a failed pass is logged and repeated after RETRY_SECONDS."""
        self._wanted.set()  # what was stored before
        try:
            with self._outbox.listening(self._wanted.set):
                while True:
                    await self._wanted.wait()
                    self._wanted.clear()
                    await self._pass_or_back_off()
        finally:
            async with self._database.write() as connection:
                await self._lease.give_up(connection)

    async def watch(self) -> None:
        """Measure what waits until cancelled, also while another process relays or the broker is away.

        What it finds is relayed: a process that died, or one that is stuck, may have left it.
        """
        while True:
            async with self._database.read() as connection:
                depth, oldest_seconds = await self._outbox.waiting(connection)
            self._outbox.telemetry.waiting(depth, oldest_seconds)
            if depth:
                self._wanted.set()
            await asyncio.sleep(WATCH_SECONDS)

    async def relay_once(self) -> int | None:
        """Publish one batch and return how many messages were sent; None while another process relays."""
        async with self._database.write() as connection:
            if not await self._lease.free(connection):
                return None
            messages = await self._outbox.unsent(connection, BATCH)
            if messages:
                await self._lease.take(connection)
        if messages:
            with span("outbox.relay", **{"messaging.batch.message_count": len(messages)}):
                await self._send(messages)
        return len(messages)

    async def _pass_or_back_off(self) -> None:
        pauses = chain(TURN_SECONDS, repeat(TURN_SECONDS[-1]))
        try:
            while (sent := await self.relay_once()) in (None, BATCH):
                if sent is None:
                    await asyncio.sleep(next(pauses))
        except Exception as error:
            self._outbox.telemetry.failed()
            log.warning("outbox relay failed, will retry", error=repr(error), retry_seconds=RETRY_SECONDS)
            await asyncio.sleep(RETRY_SECONDS)
            self._wanted.set()

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
            async with self._database.write() as connection:
                if sent:
                    await self._outbox.mark_sent(connection, sent)
                if len(sent) < BATCH:
                    await self._lease.give_up(connection)
            self._outbox.telemetry.marked(len(sent))
