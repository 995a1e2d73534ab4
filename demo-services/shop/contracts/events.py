"""Events and commands the services publish: facts in the past tense, commands in the imperative.

Each class names its subject. `event_id` identifies one occurrence: the inbox of a consumer drops a second delivery
of the same id, and JetStream drops a second publication of it.
"""

from collections.abc import Mapping
from typing import ClassVar
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt


class Event(BaseModel):
    """Something that happened to one order, or must happen to it."""

    model_config = ConfigDict(frozen=True)
    subject: ClassVar[str]

    event_id: str = Field(default_factory=lambda: uuid4().hex)
    order_id: str

    @property
    def about(self) -> str:
        """The id of the thing the event tells about."""
        return self.order_id

    def to_json(self) -> str:
        """Return the body of the message."""
        return self.model_dump_json()


class Line(BaseModel):
    """One product of an order; the price is that of one piece when it was ordered."""

    model_config = ConfigDict(frozen=True)

    sku: str
    quantity: PositiveInt
    price_cents: NonNegativeInt


class OrderCreated(Event):
    """An order was stored and its saga started; inventory reserves."""

    subject: ClassVar[str] = "orders.created"
    customer_id: str
    lines: tuple[Line, ...]
    total_cents: NonNegativeInt


class StockReserved(Event):
    """Every line is reserved; payments charges."""

    subject: ClassVar[str] = "inventory.reserved"
    customer_id: str
    total_cents: NonNegativeInt


class StockRejected(Event):
    """Nothing was reserved, because one line was short or the order was given up before."""

    subject: ClassVar[str] = "inventory.rejected"
    reason: str


class PaymentCharged(Event):
    """The customer paid."""

    subject: ClassVar[str] = "payments.charged"
    amount_cents: NonNegativeInt


class PaymentDeclined(Event):
    """The customer did not pay and nothing was charged."""

    subject: ClassVar[str] = "payments.declined"
    reason: str


class RefundPayment(Event):
    """Command: give the money back, or void the payment if it was not charged yet."""

    subject: ClassVar[str] = "payments.refund"


class PaymentRefunded(Event):
    """The order holds no money any more and never will; the amount is 0 where nothing was charged."""

    subject: ClassVar[str] = "payments.refunded"
    amount_cents: NonNegativeInt


class ReleaseStock(Event):
    """Command: put the reserved pieces back, or refuse the reservation if it was not made yet."""

    subject: ClassVar[str] = "inventory.release"


class StockReleased(Event):
    """The order holds no stock any more and never will."""

    subject: ClassVar[str] = "inventory.released"


class OrderConfirmed(Event):
    """Final: stock is reserved and the money is charged."""

    subject: ClassVar[str] = "orders.confirmed"
    customer_id: str
    total_cents: NonNegativeInt


class OrderCancelled(Event):
    """Final: the order holds neither stock nor money."""

    subject: ClassVar[str] = "orders.cancelled"
    customer_id: str
    reason: str


EVENTS: tuple[type[Event], ...] = (
    OrderCreated,
    StockReserved,
    StockRejected,
    PaymentCharged,
    PaymentDeclined,
    RefundPayment,
    PaymentRefunded,
    ReleaseStock,
    StockReleased,
    OrderConfirmed,
    OrderCancelled,
)


READERS: Mapping[str, tuple[str, ...]] = {
    OrderCreated.subject: ("inventory-orders-created",),
    StockReserved.subject: ("orders-inventory-reserved", "payments-inventory-reserved"),
    StockRejected.subject: ("orders-inventory-rejected",),
    PaymentCharged.subject: ("orders-payments-charged",),
    PaymentDeclined.subject: ("orders-payments-declined",),
    RefundPayment.subject: ("payments-payments-refund",),
    PaymentRefunded.subject: ("orders-payments-refunded",),
    ReleaseStock.subject: ("inventory-inventory-release",),
    StockReleased.subject: ("orders-inventory-released",),
    OrderConfirmed.subject: ("notifications-orders-confirmed", "notifications-digest"),
    OrderCancelled.subject: ("notifications-orders-cancelled",),
}
"""The groups that read each subject, for brokers that do not tell a publisher who reads what it publishes."""
