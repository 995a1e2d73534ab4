"""Payments in the database: the only code that moves money."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from instrumentation import get_logger
from shop.contracts.events import Event, PaymentCharged, PaymentDeclined, PaymentRefunded, RefundPayment, StockReserved
from shop.payments.business import charges
from shop.payments.tables import entries, idempotency_keys, inbox, outbox, payments
from shop.reliability.faults import for_ever
from shop.reliability.idempotency import fingerprint

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from shop.reliability.database import Database

ALWAYS_DECLINED = "declined"
"""A customer whose id starts so never gets through, as the test cards of payment providers."""


@dataclass(frozen=True, slots=True)
class Payment:
    """What became of the money of one order; status is charged, declined, refunded or voided."""

    order_id: str
    status: str
    amount_cents: int


class Till:
    """All payments. A share of them, chosen by order id, is declined on purpose."""

    def __init__(self, database: Database, decline_share: float) -> None:
        self._database = database
        self._decline_share = decline_share

    async def get(self, order_id: str) -> Payment | None:
        """Return the payment of an order, None if nothing was decided."""
        async with self._database.read() as connection:
            return await _find(connection, order_id)

    async def charge(self, event: StockReserved) -> None:
        """Charge or decline an order, once, and tell which."""
        async with self._database.write() as connection:
            if not await inbox.admit(connection, event.event_id):
                return
            status = await self._charge_once(connection, event)
            await outbox.put(connection, _answer(event, status))
        bound = get_logger(__name__).bind(order_id=event.order_id)
        bound.info("payment decided", status=status, amount_cents=event.total_cents)
        charges.add(1, {"outcome": status})

    async def refund(self, event: RefundPayment) -> None:
        """Give back what an order was charged; if it was not charged yet, see to it that it never will be."""
        async with self._database.write() as connection:
            if not await inbox.admit(connection, event.event_id):
                return
            amount_cents = await _give_back(connection, event.order_id)
            await outbox.put(connection, PaymentRefunded(order_id=event.order_id, amount_cents=amount_cents))
        get_logger(__name__).bind(order_id=event.order_id).info("payment refunded", amount_cents=amount_cents)

    async def _charge_once(self, connection: AsyncConnection, event: StockReserved) -> str:
        """Return the outcome; the key makes a second request for the same order get the first one's."""
        earlier = await _find(connection, event.order_id)
        wanted = earlier.status if earlier else self._outcome(event)
        content = fingerprint([event.customer_id, event.total_cents])
        status = await idempotency_keys.claim(connection, f"charge:{event.order_id}", content, wanted)
        if earlier is None:
            await _record(connection, event, status)
        return status

    async def decline(self) -> None:
        """Decline every payment until cancelled: as a bank does that is out of order."""
        usual, self._decline_share = self._decline_share, 1.0
        try:
            await for_ever()
        finally:
            self._decline_share = usual

    def _outcome(self, event: StockReserved) -> str:
        # By the id and not by chance: a second delivery must come to the same end.
        draw = int.from_bytes(hashlib.sha256(event.order_id.encode()).digest()[:8], "big") / 2**64
        declined = event.customer_id.startswith(ALWAYS_DECLINED) or draw < self._decline_share
        return "declined" if declined else "charged"


async def _record(connection: AsyncConnection, event: StockReserved, status: str) -> None:
    row = {"order_id": event.order_id, "status": status, "amount_cents": event.total_cents}
    await connection.execute(insert(payments).values(row))
    if status == "charged":
        await connection.execute(insert(entries).values(order_id=event.order_id, amount_cents=event.total_cents))


async def _give_back(connection: AsyncConnection, order_id: str) -> int:
    payment = await _find(connection, order_id)
    if payment is None:
        await connection.execute(insert(payments).values(order_id=order_id, status="voided", amount_cents=0))
    if payment is None or payment.status != "charged":
        return 0
    await connection.execute(update(payments).where(payments.c.order_id == order_id).values(status="refunded"))
    await connection.execute(insert(entries).values(order_id=order_id, amount_cents=-payment.amount_cents))
    return payment.amount_cents


def _answer(event: StockReserved, status: str) -> Event:
    if status == "charged":
        return PaymentCharged(order_id=event.order_id, amount_cents=event.total_cents)
    reason = "payment declined" if status == "declined" else "the order was given up before"
    return PaymentDeclined(order_id=event.order_id, reason=reason)


async def _find(connection: AsyncConnection, order_id: str) -> Payment | None:
    query = select(payments.c.order_id, payments.c.status, payments.c.amount_cents)
    row = (await connection.execute(query.where(payments.c.order_id == order_id))).first()
    return Payment(*row) if row else None
