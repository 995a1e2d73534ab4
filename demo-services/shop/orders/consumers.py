"""The events that move orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shop.contracts.events import (
    PaymentCharged,
    PaymentDeclined,
    PaymentRefunded,
    StockRejected,
    StockReleased,
    StockReserved,
)
from shop.orders.saga import Trigger

if TYPE_CHECKING:
    from shop.orders.ledger import Ledger
    from shop.reliability.stream import Stream


def subscribe(stream: Stream, ledger: Ledger) -> None:
    """Register one handler per event."""

    @stream.subscriber(StockReserved.subject)
    async def stock_reserved(event: StockReserved) -> None:
        await ledger.advance(event, Trigger.STOCK_RESERVED)

    @stream.subscriber(StockRejected.subject)
    async def stock_rejected(event: StockRejected) -> None:
        await ledger.advance(event, Trigger.STOCK_REJECTED, event.reason)

    @stream.subscriber(PaymentCharged.subject)
    async def payment_charged(event: PaymentCharged) -> None:
        await ledger.advance(event, Trigger.PAYMENT_CHARGED)

    @stream.subscriber(PaymentDeclined.subject)
    async def payment_declined(event: PaymentDeclined) -> None:
        await ledger.advance(event, Trigger.PAYMENT_DECLINED, event.reason)

    @stream.subscriber(PaymentRefunded.subject)
    async def payment_refunded(event: PaymentRefunded) -> None:
        await ledger.advance(event, Trigger.PAYMENT_REFUNDED)

    @stream.subscriber(StockReleased.subject)
    async def stock_released(event: StockReleased) -> None:
        await ledger.advance(event, Trigger.STOCK_RELEASED)
