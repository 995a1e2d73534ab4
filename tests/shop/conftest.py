"""A running shop, and parts of it, for the tests of the services."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from shop.reliability.database import Database
from shop.runner import Plan, Shop
from sqlalchemy import MetaData

OpenDatabase = Callable[[MetaData], Awaitable[Database]]


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The whole shop on free ports, without console and load; only customers named `declined...` are declined."""
    plan = Plan(
        tmp_path_factory.mktemp("shop"),
        console=False,
        service_environment={"payments": {"DECLINE_SHARE": "0"}, "inventory": {"STOCK_PIECES": "100000"}},
    )
    with Shop(plan) as running:
        yield running


@pytest.fixture
def http(shop: Shop) -> Iterator[httpx.Client]:
    """A client of the gateway."""
    with httpx.Client(base_url=shop.gateway_url, timeout=10) as client:
        yield client


@pytest.fixture
def settle(http: httpx.Client) -> Callable[[str], dict[str, object]]:
    """Wait for the end of an order and return it."""

    def wait(order_id: str) -> dict[str, object]:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            order = http.get(f"/orders/{order_id}").json()
            if order["status"] != "pending":
                return order
            # The server's stream of events would do, but then every test would depend on it.
            time.sleep(0.02)
        raise AssertionError(f"order {order_id} did not settle within 10 s")

    return wait


@pytest.fixture
async def open_database(tmp_path: Path) -> AsyncIterator[OpenDatabase]:
    """Open one database file with the tables given; twice gives two connections pools to the same file."""
    opened: list[Database] = []

    async def open_one(metadata: MetaData) -> Database:
        database = Database(f"sqlite+aiosqlite:///{tmp_path / 'service.db'}", metadata)
        opened.append(database)
        await database.open()
        return database

    yield open_one
    for database in opened:
        await database.close()
