"""Queries by SQLAlchemy on SQLite in memory, within a span; paced, since nothing else is waited for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from opentelemetry import trace
from sqlalchemy import create_engine, text

QUERIES = 20
PAUSE_SECONDS = 0.005
QUERY = text("SELECT name FROM products WHERE id = :id AND stock > 3")


@asynccontextmanager
async def opened(_setup: str, _address: str) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Yield what asks a few times."""
    tracer = trace.get_tracer("bench")
    with create_engine("sqlite://").connect() as connection:
        # By the driver's own connection: it is not to be counted.
        connection.connection.execute("CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT, stock INTEGER)")

        async def burst() -> int:
            with tracer.start_as_current_span("burst"):
                for number in range(QUERIES):
                    connection.execute(QUERY, {"id": number}).fetchall()
            await asyncio.sleep(PAUSE_SECONDS)
            return QUERIES

        yield burst
