"""Notifications in the database: sending one means storing it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import insert

from instrumentation import get_logger
from shop.notifications.tables import inbox, notifications

if TYPE_CHECKING:
    from shop.contracts.events import OrderCancelled, OrderConfirmed
    from shop.reliability.database import Database


class Postbox:
    """Every notification ever sent: one for each order that ended."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def confirmed(self, event: OrderConfirmed) -> None:
        """Tell the customer that the order is on its way."""
        await self._send(event, f"Your order over {event.total_cents / 100:.2f} is confirmed.")

    async def cancelled(self, event: OrderCancelled) -> None:
        """Tell the customer why the order was cancelled."""
        await self._send(event, f"Your order was cancelled: {event.reason}.")

    async def _send(self, event: OrderConfirmed | OrderCancelled, text: str) -> None:
        async with self._database.write() as connection:
            if not await inbox.admit(connection, event.event_id):
                return
            row = {"order_id": event.order_id, "customer_id": event.customer_id, "text": text}
            row_at = {**row, "sent_at_unix_ms": time.time_ns() // 1_000_000}
            await connection.execute(insert(notifications).values(row_at))
        get_logger(__name__).bind(order_id=event.order_id).info("customer notified", about=event.subject)
