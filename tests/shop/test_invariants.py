import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from shop.invariants import check
from shop.runner import Shop

ORDERS = 60
AT_ONCE = 20


async def place_orders(url: str) -> list[str]:
    gate = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:

        async def place(number: int) -> str:
            customer = "declined-bob" if number % 5 == 0 else "ann"
            body = {
                "customer_id": customer,
                "items": [{"sku": "sail-white", "quantity": 1}, {"sku": "horn", "quantity": 2}],
            }
            async with gate:
                answer = await client.post("/orders", json=body, headers={"Idempotency-Key": f"many-{number}"})
            assert answer.status_code == 202, answer.text
            return answer.json()["order_id"]

        return list(await asyncio.gather(*map(place, range(ORDERS))))


def states(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT order_id, state FROM orders"))


def wait_for_violations_to_end(shop: Shop) -> list[str]:
    deadline = time.monotonic() + 20
    while (found := check(shop.database_urls)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


@pytest.mark.slow
async def test_many_orders_leave_stock_and_money_that_add_up(shop: Shop):
    """After many concurrent orders none is stuck or charged twice, and a declined one holds nothing."""
    ids = await place_orders(shop.gateway_url)
    assert wait_for_violations_to_end(shop) == []
    outcome = states(shop.databases["orders"])
    assert [outcome[order_id] for order_id in ids] == [
        "cancelled" if n % 5 == 0 else "confirmed" for n in range(ORDERS)
    ]


def test_each_kind_of_damage_is_told(shop: Shop, tmp_path: Path):
    """A double charge, missing stock and a stuck order are each named."""
    httpx.post(f"{shop.gateway_url}/orders", json={"customer_id": "a", "items": [{"sku": "horn", "quantity": 1}]})
    assert wait_for_violations_to_end(shop) == []
    copies = {}
    for name, path in shop.databases.items():
        copies[name] = tmp_path / path.name
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copies[name])) as target:
            source.backup(target)
    order_id = next(order_id for order_id, state in states(copies["orders"]).items() if state == "confirmed")
    damage = {
        "payments": f"INSERT INTO entries (order_id, amount_cents) VALUES ('{order_id}', 5)",
        "inventory": "UPDATE products SET stock = stock - 1 WHERE sku = 'horn'",
        "orders": f"UPDATE orders SET state = 'releasing' WHERE order_id = '{order_id}'",
    }
    for name, statement in damage.items():
        with closing(sqlite3.connect(copies[name])) as connection, connection:
            connection.execute(statement)
    found = "\n".join(check({name: f"sqlite:///{path}" for name, path in copies.items()}))
    assert f"order {order_id} was charged 2 times" in found
    assert f"order {order_id} is stuck in releasing" in found
    assert "horn: " in found
