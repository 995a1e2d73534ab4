"""What the shop does on PostgreSQL, where transactions that write run at the same time."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from shop.contracts.events import Line, OrderCreated, PaymentCharged, ReleaseStock, StockReserved
from shop.inventory.tables import CATALOGUE
from shop.inventory.tables import metadata as inventory_metadata
from shop.inventory.warehouse import Warehouse
from shop.orders.ledger import Ledger
from shop.orders.saga import State, Trigger
from shop.orders.tables import metadata as orders_metadata
from shop.orders.tables import outbox as orders_outbox
from shop.orders.watchers import Watchers
from shop.reliability.database import Database
from shop.reliability.idempotency import IdempotencyKeys
from sqlalchemy import MetaData

from stack.binary import MissingBinaryError
from stack.postgres import Postgres

pytestmark = pytest.mark.xdist_group("postgres")

AT_ONCE = 8
LINES = (Line(sku="horn", quantity=2, price_cents=150), Line(sku="sail-white", quantity=1, price_cents=100))


@pytest.fixture(scope="module")
def postgres():
    """A server of its own."""
    try:
        server = Postgres()
    except MissingBinaryError as error:
        pytest.skip(str(error))
    with server:
        yield server


@pytest.fixture
async def open_on_postgres(postgres):
    """Open the database of a service, as one more process would."""
    async with AsyncExitStack() as stack:

        async def open_database(service, metadata):
            return await stack.enter_async_context(Database(postgres.url(service), metadata))

        yield open_database


async def at_once(make):
    """Run several of the same at once and return what each gave."""
    return await asyncio.gather(*[make() for _ in range(AT_ONCE)])


async def test_events_of_one_order_at_once_move_it_one_after_the_other(open_on_postgres):
    """A reservation and a payment that are told at the same time confirm the order, whichever is first."""
    ledger = Ledger(await open_on_postgres("orders", orders_metadata), Watchers(), 30)

    async def both(order_id):
        await ledger.create(order_id, "ann", LINES)
        reserved = StockReserved(order_id=order_id, customer_id="ann", total_cents=400)
        charged = PaymentCharged(order_id=order_id, amount_cents=400)
        await asyncio.gather(
            ledger.advance(reserved, Trigger.STOCK_RESERVED), ledger.advance(charged, Trigger.PAYMENT_CHARGED)
        )
        steps = [step.name for step in await ledger.steps_after(order_id, 0)]
        return (await ledger.get(order_id)).state, steps

    for number in range(20):
        ended = await both(f"raced-{number}")
        assert ended == (State.CONFIRMED, ["created", "stock_reserved", "payment_charged", "confirmed"])


async def test_one_order_is_created_once(open_on_postgres):
    """Calls for the same order at the same time get the same order, and one message is stored."""
    database = await open_on_postgres("orders", orders_metadata)
    ledger = Ledger(database, Watchers(), 30)
    orders = await at_once(lambda: ledger.create("same", "ann", LINES))
    assert {order.order_id for order in orders} == {"same"}
    async with database.read() as connection:
        stored = await orders_outbox.unsent(connection, 1000)
    assert [message.subject for message in stored if '"same"' in str(message)] == [OrderCreated.subject]


async def test_one_key_has_one_answer(open_on_postgres):
    """Requests with the same key at the same time get the answer of whichever was first."""
    metadata = MetaData()
    keys = IdempotencyKeys(metadata, "test")
    database = await open_on_postgres("gateway", metadata)
    proposals = iter(range(AT_ONCE))

    async def claim():
        async with database.write() as connection:
            return await keys.claim(connection, "k", "f" * 64, f"answer {next(proposals)}")

    assert len(set(await at_once(claim))) == 1


async def test_replicas_that_start_together_fill_one_catalogue(open_on_postgres):
    """Each product is there once, with its pieces, and what is reserved and released comes back."""
    warehouses = [Warehouse(await open_on_postgres("inventory", inventory_metadata)) for _ in range(2)]
    await asyncio.gather(*[warehouse.stock_catalogue(100) for warehouse in warehouses])
    products = await warehouses[0].products()
    assert [(product.sku, product.stock) for product in products] == sorted((sku, 100) for sku, *_ in CATALOGUE)

    async def take(number):
        lines = LINES if number % 2 else LINES[::-1]
        created = OrderCreated(order_id=f"o{number}", customer_id="ann", lines=lines, total_cents=400)
        await warehouses[number % 2].reserve(created)

    await asyncio.gather(*[take(number) for number in range(AT_ONCE)])
    left = {product.sku: product.stock for product in await warehouses[0].products()}
    assert (left["horn"], left["sail-white"]) == (100 - 2 * AT_ONCE, 100 - AT_ONCE)
    await asyncio.gather(*[warehouses[n % 2].release(ReleaseStock(order_id=f"o{n}")) for n in range(AT_ONCE)])
    assert await warehouses[0].products() == products
