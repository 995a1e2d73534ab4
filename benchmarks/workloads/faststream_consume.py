"""Messages consumed by FastStream from NATS, sent by the bare client in the same process, which costs all alike."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import nats
from faststream.nats import NatsBroker

MESSAGES = 20
HEADERS = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "baggage": "request_id=7c1f",
    "x-request-id": "7c1f",
    "content-type": "application/json",
}
BODY = b'{"order_id": "o-1234", "items": 3}'


@asynccontextmanager
async def opened(setup: str, address: str) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Yield what sends a few and waits until they are consumed."""
    # Without FastStream's own two lines for each message, which would be a cost by themselves.
    broker, subject, left, done = NatsBroker(address, logger=None), f"bench.{setup}", 0, asyncio.Event()
    if setup == "contrib":
        from faststream.nats.opentelemetry import NatsTelemetryMiddleware  # noqa: PLC0415

        broker.add_middleware(NatsTelemetryMiddleware())

    @broker.subscriber(subject)
    async def consume(message: dict[str, object]) -> None:
        nonlocal left
        assert message["items"] == 3
        left -= 1
        if not left:
            done.set()

    client = await nats.connect(address)

    async def burst() -> int:
        nonlocal left
        left = MESSAGES
        done.clear()
        for _ in range(MESSAGES):
            await client.publish(subject, BODY, headers=HEADERS)
        await done.wait()
        return MESSAGES

    await broker.start()
    yield burst
    await broker.stop()
    await client.close()
