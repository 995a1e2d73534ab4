"""The digest: what a day brought, counted batch by batch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from instrumentation import get_logger
from shop.notifications.tables import digest, inbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from shop.contracts.events import OrderConfirmed
    from shop.reliability.database import Database

DAY_SECONDS = 24 * 3600


class Digest:
    """Orders and revenue of each day."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, events: Sequence[OrderConfirmed]) -> None:
        """Count those of the confirmed orders that were not counted before, in one transaction."""
        async with self._database.write() as connection:
            new = [event for event in events if await inbox.admit(connection, f"digest-{event.event_id}")]
            if new:
                await _count(connection, len(new), sum(event.total_cents for event in new))
        get_logger(__name__).info("digest updated", orders=len(new))

    async def today(self) -> tuple[int, int]:
        """Return orders and revenue in cents of this day."""
        async with self._database.read() as connection:
            row = (await connection.execute(_of(_day()))).first()
        return (row.orders, row.revenue_cents) if row else (0, 0)


async def _count(connection: AsyncConnection, orders: int, revenue_cents: int) -> None:
    day = _day()
    if (await connection.execute(_of(day))).first() is None:
        await connection.execute(insert(digest).values(day=day, orders=0, revenue_cents=0))
    more = {"orders": digest.c.orders + orders, "revenue_cents": digest.c.revenue_cents + revenue_cents}
    await connection.execute(update(digest).where(digest.c.day == day).values(more))


def _of(day: int):  # noqa: ANN202 - SQLAlchemy's own type of a query with two columns says no more
    return select(digest.c.orders, digest.c.revenue_cents).where(digest.c.day == day)


def _day() -> int:
    return int(time.time()) // DAY_SECONDS
