import time
from collections.abc import Callable

import pytest
from opentelemetry import context, propagate, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from shop.contracts.events import Line, PaymentCharged, PaymentRefunded, StockReleased, StockReserved
from shop.orders.ledger import Ledger
from shop.orders.saga import State, Trigger
from shop.orders.tables import metadata, outbox
from shop.orders.watchers import Watchers
from shop.reliability.database import Database
from sqlalchemy import select

LINES = (Line(sku="horn", quantity=2, price_cents=150),)
FAR_FUTURE_NS = time.time_ns() * 2


@pytest.fixture
async def database(open_database: Callable) -> Database:
    return await open_database(metadata)


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database, Watchers(), step_timeout_seconds=30)


async def sent(database: Database) -> list[str]:
    async with database.read() as connection:
        return [message.subject for message in await outbox.unsent(connection, 100)]


async def test_order_is_stored_with_its_message(ledger: Ledger, database: Database):
    """Creating an order stores the order, its first step and its event together."""
    order = await ledger.create("o1", "ann", LINES)
    assert (order.total_cents, order.state) == (300, State.AWAITING_STOCK)
    assert [step.name for step in await ledger.steps_after("o1", 0)] == ["created"]
    assert await sent(database) == ["orders.created"]


async def test_same_order_id_creates_one_order(ledger: Ledger, database: Database):
    """A repeated call returns the first order and publishes nothing."""
    first = await ledger.create("o1", "ann", LINES)
    again = await ledger.create("o1", "bob", (Line(sku="sail", quantity=9, price_cents=1),))
    assert again == first
    assert await sent(database) == ["orders.created"]


async def test_second_delivery_of_an_event_changes_nothing(ledger: Ledger, database: Database):
    """An event that arrives twice moves the order once."""
    await ledger.create("o1", "ann", LINES)
    event = PaymentCharged(order_id="o1", amount_cents=300)
    await ledger.advance(event, Trigger.PAYMENT_CHARGED)
    await ledger.advance(event, Trigger.PAYMENT_CHARGED)
    names = [step.name for step in await ledger.steps_after("o1", 0)]
    assert names == ["created", "stock_reserved", "payment_charged", "confirmed"]
    assert await sent(database) == ["orders.created", "orders.confirmed"]


async def test_stuck_step_is_compensated(ledger: Ledger, database: Database):
    """An order whose payment never answers is refunded, released and cancelled, with the timeout as the reason."""
    await ledger.create("o1", "ann", LINES)
    await ledger.advance(StockReserved(order_id="o1", customer_id="ann", total_cents=300), Trigger.STOCK_RESERVED)
    assert await ledger.time_out(time.time_ns()) == 0
    assert await ledger.time_out(FAR_FUTURE_NS) == 1
    await ledger.advance(PaymentRefunded(order_id="o1", amount_cents=0), Trigger.PAYMENT_REFUNDED)
    await ledger.advance(StockReleased(order_id="o1"), Trigger.STOCK_RELEASED)
    order = await ledger.get("o1")
    assert order is not None
    assert (order.state, order.reason) == (State.CANCELLED, "a step timed out")
    assert await sent(database) == ["orders.created", "payments.refund", "inventory.release", "orders.cancelled"]
    assert await ledger.time_out(FAR_FUTURE_NS) == 0


async def test_compensation_of_a_timeout_stays_in_the_trace_of_the_order(ledger: Ledger, database: Database):
    """What a timeout sends carries the trace context that the order was created in."""
    parent = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    token = context.attach(trace.set_span_in_context(NonRecordingSpan(parent)))
    await ledger.create("o1", "ann", LINES)
    context.detach(token)
    await ledger.time_out(FAR_FUTURE_NS)
    async with database.read() as connection:
        created, refund = await outbox.unsent(connection, 100)
        headers = (await connection.execute(select(outbox.table.c.headers))).scalars().all()
    assert len(headers) == 2
    for message in (created, refund):
        found = trace.get_current_span(propagate.extract(message.headers)).get_span_context()
        assert found.trace_id == 0xABC
