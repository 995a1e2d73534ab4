"""Run the load: `python -m shop.load`."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from random import Random

import httpx

from instrumentation import instrument
from shop.load.customer import Customer
from shop.load.settings import Settings
from shop.reliability.process import background, run_until_stopped

MAX_VISITS = 200
"""Visits at the same time; when the shop is slower than that, customers stay away instead of piling up."""


async def stream_of_customers(settings: Settings) -> None:
    """Send customers at a steady rate until cancelled; those who are in the shop then are sent home."""
    visits: set[asyncio.Task[None]] = set()
    logging.getLogger("httpx").setLevel(logging.WARNING)  # else it tells of every request
    async with httpx.AsyncClient(base_url=settings.gateway_url, timeout=10) as client, asyncio.TaskGroup() as group:
        customer = Customer(client, Random())  # noqa: S311 - variety, not secrecy
        async for _ in ticks(1 / settings.rate):
            if len(visits) < MAX_VISITS:
                visit = group.create_task(customer.visit())
                visits.add(visit)
                visit.add_done_callback(visits.discard)


async def ticks(every_seconds: float) -> AsyncGenerator[None]:
    """Yield at a steady pace; after a stall of more than a second the ticks missed are left out."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        yield
        due = max(due + every_seconds, loop.time() - 1)
        await asyncio.sleep(due - loop.time())


async def main(settings: Settings) -> None:
    """Be many customers until told to stop."""
    await run_until_stopped(background(lambda: stream_of_customers(settings)))


if __name__ == "__main__":
    instrument(service_name="load")
    asyncio.run(main(Settings.read(os.environ)))
