"""Child spans with four attributes: by the kit's `span`, or by OpenTelemetry's API.

Paced, since they come faster than anything could export them.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from opentelemetry import trace

SPANS = 50
PAUSE_SECONDS = 0.005


@asynccontextmanager
async def opened(setup: str, address: str) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Yield what makes a few; `address` says by what: `span`, `api` or `nothing`."""
    tracer = trace.get_tracer("bench")
    if address == "span":
        from instrumentation import span  # noqa: PLC0415

    def by_span() -> None:
        for _ in range(SPANS):
            with span("work", customer="c-1234", items=3, priority=True, total=12.5):
                pass

    def by_api() -> None:
        for _ in range(SPANS):
            attributes = {"customer": "c-1234", "items": 3, "priority": True, "total": 12.5}
            with tracer.start_as_current_span("work", attributes=attributes):
                pass

    def by_nothing() -> None:
        for _ in range(SPANS):
            pass

    make = {"span": by_span, "api": by_api, "nothing": by_nothing}[address]

    async def burst() -> int:
        with tracer.start_as_current_span("burst", kind=trace.SpanKind.CONSUMER):
            make()
        await asyncio.sleep(PAUSE_SECONDS)
        return SPANS

    yield burst
