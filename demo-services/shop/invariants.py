"""What must hold over all databases of the shop once every order has come to its end."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from sqlalchemy import URL, MetaData, make_url, select
from sqlalchemy.ext.asyncio import create_async_engine

_ATTACHED = ("orders", "inventory", "payments", "notifications")

_VIOLATIONS: dict[str, str] = {
    "order {0} is stuck in {1}": """
        SELECT order_id, state FROM orders.orders WHERE state NOT IN ('confirmed', 'cancelled')""",
    "order {0} was charged {1} times": """
        SELECT order_id, count(*) FROM payments.entries WHERE amount_cents > 0 GROUP BY order_id HAVING count(*) > 1""",
    "order {0} ({1}) holds {2} cents and should hold {3}": """
        SELECT o.order_id, o.state, coalesce(e.held, 0), iif(o.state = 'confirmed', o.total_cents, 0)
        FROM orders.orders o
        LEFT JOIN (SELECT order_id, sum(amount_cents) held FROM payments.entries GROUP BY order_id) e USING (order_id)
        WHERE coalesce(e.held, 0) <> iif(o.state = 'confirmed', o.total_cents, 0)""",
    "money of order {0} belongs to no order": """
        SELECT DISTINCT order_id FROM payments.entries WHERE order_id NOT IN (SELECT order_id FROM orders.orders)""",
    "order {0} ({1}) holds {2} pieces and should hold {3}": """
        SELECT o.order_id, o.state, coalesce(r.pieces, 0), iif(o.state = 'confirmed', w.pieces, 0)
        FROM orders.orders o
        JOIN (SELECT order_id, sum(json_extract(line.value, '$.quantity')) pieces
              FROM orders.orders, json_each(lines) line GROUP BY order_id) w USING (order_id)
        LEFT JOIN (SELECT order_id, sum(quantity) pieces FROM inventory.reservations GROUP BY order_id) r
            USING (order_id)
        WHERE coalesce(r.pieces, 0) <> iif(o.state = 'confirmed', w.pieces, 0)""",
    "{0}: {1} in stock and {2} reserved do not add up to {3} received": """
        SELECT sku, stock, coalesce(reserved, 0), received FROM inventory.products
        LEFT JOIN (SELECT sku, sum(quantity) reserved FROM inventory.reservations GROUP BY sku) USING (sku)
        WHERE stock + coalesce(reserved, 0) <> received""",
    "order {0} ended without a notification": """
        SELECT order_id FROM orders.orders WHERE state IN ('confirmed', 'cancelled')
        AND order_id NOT IN (SELECT order_id FROM notifications.notifications)""",
    "message {0} of orders was not sent": "SELECT message_id FROM orders.outbox WHERE sent_at_ns IS NULL",
    "message {0} of inventory was not sent": "SELECT message_id FROM inventory.outbox WHERE sent_at_ns IS NULL",
    "message {0} of payments was not sent": "SELECT message_id FROM payments.outbox WHERE sent_at_ns IS NULL",
}


def check(urls: Mapping[str, str]) -> list[str]:
    """Return one sentence per violation; empty when everything adds up.

    Args:
        urls: Database of each service by its name, as `Shop.database_urls` gives them. While orders are open,
            violations are normal: wait until none is pending.
    """
    with closing(sqlite3.connect(":memory:")) as connection:
        for name in _ATTACHED:
            _attach(connection, name, make_url(urls[name]))
        return [sentence.format(*row) for sentence, query in _VIOLATIONS.items() for row in _rows(connection, query)]


def _attach(connection: sqlite3.Connection, name: str, url: URL) -> None:
    """Attach a SQLite file as it is, and a copy of any other database."""
    is_file = url.get_backend_name() == "sqlite"
    connection.execute(f"ATTACH DATABASE ? AS {name}", (url.database if is_file else ":memory:",))
    if is_file:
        return
    with ThreadPoolExecutor(1) as pool:  # whoever asks may have an event loop of its own
        tables = pool.submit(asyncio.run, _tables(url)).result()
    for table, (columns, rows) in tables.items():
        connection.execute(f"CREATE TABLE {name}.{table} ({', '.join(columns)})")
        marks = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO {name}.{table} VALUES ({marks})", rows)  # noqa: S608 - the shop's own names


async def _tables(url: URL) -> dict[str, tuple[list[str], list[tuple[Any, ...]]]]:
    """Return all tables of a database, as they were at one moment."""
    engine = create_async_engine(url, isolation_level="REPEATABLE READ")
    try:
        async with engine.connect() as connection:
            metadata = MetaData()
            await connection.run_sync(metadata.reflect)
            return {
                table.name: (
                    list(table.columns.keys()),
                    [tuple(row) for row in await connection.execute(select(table))],
                )
                for table in metadata.sorted_tables
            }
    finally:
        await engine.dispose()


def _rows(connection: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    yield from connection.execute(query)
