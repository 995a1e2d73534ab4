"""Products and stock in the database: the only code that changes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update

from instrumentation import get_logger
from shop.contracts.events import Event, OrderCreated, ReleaseStock, StockRejected, StockReleased, StockReserved
from shop.inventory.business import decided
from shop.inventory.tables import CATALOGUE, decisions, inbox, outbox, products, reservations
from shop.reliability.database import take_turn

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from shop.reliability.database import Database

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Product:
    """One product; `stock` is what can be ordered now."""

    sku: str
    name: str
    price_cents: int
    stock: int


class Warehouse:
    """All products and what of them is reserved for whom."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stock_catalogue(self, pieces: int) -> None:
        """Add the products of the catalogue that are missing, with `pieces` of each."""
        async with self._database.write() as connection:
            await take_turn(connection, "catalogue")
            known = set((await connection.execute(select(products.c.sku))).scalars())
            missing = [
                {"sku": sku, "name": name, "price_cents": price_cents, "stock": pieces, "received": pieces}
                for sku, name, price_cents in CATALOGUE
                if sku not in known
            ]
            if missing:
                await connection.execute(insert(products), missing)

    async def products(self, skus: Sequence[str] | None = None) -> list[Product]:
        """Return the products of these SKUs, or all, by SKU; unknown SKUs are left out."""
        query = select(products.c.sku, products.c.name, products.c.price_cents, products.c.stock)
        if skus is not None:
            query = query.where(products.c.sku.in_(skus))
        async with self._database.read() as connection:
            return [Product(*row) for row in await connection.execute(query.order_by(products.c.sku))]

    async def restock(self, sku: str, quantity: int) -> bool:
        """Add pieces to a product; return False if there is none of that SKU."""
        async with self._database.write() as connection:
            return await _receive(connection, sku, quantity)

    async def fill_up(self, pieces: int) -> None:
        """Bring every product of which less than half of `pieces` is left back to `pieces`."""
        low = select(products.c.sku, products.c.stock).where(products.c.stock < pieces // 2)
        async with self._database.write() as connection:
            for sku, stock in (await connection.execute(low)).all():
                await _receive(connection, sku, pieces - stock)
                log.info("product restocked", sku=sku, quantity=pieces - stock)

    async def reserve(self, event: OrderCreated) -> None:
        """Reserve all lines of an order or none, and tell which."""
        async with self._database.write() as connection:
            if not await inbox.admit(connection, event.event_id):
                return
            answer = await _decide(connection, event)
            await outbox.put(connection, answer)
        reserved = isinstance(answer, StockReserved)
        get_logger(__name__).bind(order_id=event.order_id).info("stock reserved" if reserved else "stock rejected")
        decided.add(1, {"outcome": "reserved" if reserved else "rejected"})

    async def release(self, event: ReleaseStock) -> None:
        """Put back what an order has reserved; if it has nothing reserved yet, see to it that it never will."""
        async with self._database.write() as connection:
            if not await inbox.admit(connection, event.event_id):
                return
            await _put_back(connection, event.order_id)
            await _record(connection, event.order_id, "released")
            await outbox.put(connection, StockReleased(order_id=event.order_id))
        get_logger(__name__).bind(order_id=event.order_id).info("stock released")


async def _receive(connection: AsyncConnection, sku: str, quantity: int) -> bool:
    more = {"stock": products.c.stock + quantity, "received": products.c.received + quantity}
    changed = await connection.execute(update(products).where(products.c.sku == sku).values(more))
    return changed.rowcount == 1


async def _decide(connection: AsyncConnection, event: OrderCreated) -> Event:
    """Reserve if the order was not decided on and nothing is short; return the event that tells the outcome."""
    if await _state(connection, event.order_id) is not None:
        return StockRejected(order_id=event.order_id, reason="the order was given up before")
    wanted = Counter[str]()
    for line in event.lines:
        wanted[line.sku] += line.quantity
    short = await _short(connection, wanted)
    if short:
        await _record(connection, event.order_id, "rejected")
        return StockRejected(order_id=event.order_id, reason=f"not enough of {', '.join(short)}")
    await _take(connection, event.order_id, wanted.items())
    await _record(connection, event.order_id, "reserved")
    return StockReserved(order_id=event.order_id, customer_id=event.customer_id, total_cents=event.total_cents)


async def _short(connection: AsyncConnection, wanted: Counter[str]) -> list[str]:
    query = select(products.c.sku, products.c.stock).where(products.c.sku.in_(wanted))
    locked = query.order_by(products.c.sku).with_for_update()  # in one order, so that no two wait for each other
    stock = {sku: pieces for sku, pieces in await connection.execute(locked)}  # noqa: C416 - rows are no pairs to dict()
    return sorted(sku for sku, quantity in wanted.items() if stock.get(sku, 0) < quantity)


async def _take(connection: AsyncConnection, order_id: str, wanted: Iterable[tuple[str, int]]) -> None:
    for sku, quantity in wanted:
        less = {"stock": products.c.stock - quantity}
        await connection.execute(update(products).where(products.c.sku == sku).values(less))
        row = {"order_id": order_id, "sku": sku, "quantity": quantity}
        await connection.execute(insert(reservations).values(row))


async def _put_back(connection: AsyncConnection, order_id: str) -> None:
    mine = reservations.c.order_id == order_id
    query = select(reservations.c.sku, reservations.c.quantity).where(mine)
    taken = await connection.execute(query.order_by(reservations.c.sku))
    for sku, quantity in taken.all():
        more = {"stock": products.c.stock + quantity}
        await connection.execute(update(products).where(products.c.sku == sku).values(more))
    await connection.execute(delete(reservations).where(mine))


async def _state(connection: AsyncConnection, order_id: str) -> str | None:
    query = select(decisions.c.state).where(decisions.c.order_id == order_id)
    return (await connection.execute(query)).scalar()


async def _record(connection: AsyncConnection, order_id: str, state: str) -> None:
    if await _state(connection, order_id) is None:
        await connection.execute(insert(decisions).values(order_id=order_id, state=state))
    else:
        await connection.execute(update(decisions).where(decisions.c.order_id == order_id).values(state=state))
