"""Calls by httpx, within a span as in a request's handler, to a server that answers at once."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
from opentelemetry import trace

CALLS = 20


@asynccontextmanager
async def opened(_setup: str, address: str) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Yield what calls a few times."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # else it logs a line for each call, a cost by itself
    tracer = trace.get_tracer("bench")
    async with httpx.AsyncClient(timeout=60) as client:

        async def burst() -> int:
            with tracer.start_as_current_span("burst"):
                for _ in range(CALLS):
                    response = await client.get(address)
                    assert response.status_code == 200
            return CALLS

        yield burst
