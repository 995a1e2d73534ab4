"""Calls by httpx, within a span as in a request's handler, through a transport that answers at once.

By the network a call takes a millisecond and more of CPU, whose spread would hide what is asked for here.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
from opentelemetry import trace

CALLS = 20


async def _answer(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"item_id": 42})


@asynccontextmanager
async def opened(setup: str, address: str) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Yield what calls a few times."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # else it logs a line for each call, a cost by itself
    tracer = trace.get_tracer("bench")
    async with httpx.AsyncClient(transport=httpx.MockTransport(_answer)) as client:
        if setup == "contrib":
            from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor  # noqa: PLC0415

            HTTPXClientInstrumentor.instrument_client(client)  # its own way covers transports of the network alone

        async def burst() -> int:
            with tracer.start_as_current_span("burst"):
                for _ in range(CALLS):
                    response = await client.get(address)
                    assert response.status_code == 200
            return CALLS

        yield burst
