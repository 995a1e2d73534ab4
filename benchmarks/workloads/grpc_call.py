"""Unary calls by grpc.aio, within a span, to a server without telemetry; several at a time, as a service has them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc.aio
from opentelemetry import trace

from benchmarks.grpc_app import METHOD

AT_A_TIME = 8
CALLS = 5


@asynccontextmanager
async def opened(_setup: str, address: str) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Yield what calls a few times."""
    tracer = trace.get_tracer("bench")
    async with grpc.aio.insecure_channel(address) as channel:
        read = channel.unary_unary(METHOD)

        async def calls() -> None:
            with tracer.start_as_current_span("burst"):
                for _ in range(CALLS):
                    await read(b"42")

        async def burst() -> int:
            await asyncio.gather(*(calls() for _ in range(AT_A_TIME)))
            return AT_A_TIME * CALLS

        yield burst
