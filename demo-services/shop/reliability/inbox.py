"""Inbox: a message that arrives twice has its effect once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, MetaData, String, Table, delete, insert, select

from instrumentation.patterns import Inbox as InboxTelemetry
from shop.reliability.database import after_commit

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


class Inbox:
    """Ids of the messages a service has handled, stored in the transaction of their effect."""

    def __init__(self, metadata: MetaData) -> None:
        self._telemetry = InboxTelemetry()
        self.table = Table(
            "inbox",
            metadata,
            Column("message_id", String(64), primary_key=True),
            Column("received_at_ns", BigInteger, nullable=False),
        )

    async def admit(self, connection: AsyncConnection, message_id: str) -> bool:
        """Record a message and return True, or return False if an earlier transaction recorded it.

        Two transactions that admit the same id at the same time: on SQLite the second waits for the first, elsewhere
        its insert fails, its delivery is repeated and then finds the record.
        """
        known = await connection.execute(select(self.table.c.message_id).where(self.table.c.message_id == message_id))
        if known.first() is not None:
            self._telemetry.duplicate()
            return False
        await connection.execute(insert(self.table).values(message_id=message_id, received_at_ns=time.time_ns()))
        after_commit(connection, self._telemetry.admitted)
        return True

    async def prune(self, connection: AsyncConnection, before_ns: int) -> int:
        """Forget messages received before then and return how many; it must be longer ago than any redelivery."""
        old = self.table.c.received_at_ns < before_ns
        return (await connection.execute(delete(self.table).where(old))).rowcount
