"""Run the load: `python -m shop.load`."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from functools import partial
from random import Random

import httpx

from instrumentation import instrument
from shop.load.customer import Customer, may_pass
from shop.load.settings import Settings
from shop.reliability.admin import door
from shop.reliability.faults import Faults, unbounded
from shop.reliability.process import background, run_until_stopped
from shop.reliability.retry import Retry

MAX_VISITS = 200
"""Visits at the same time; when the shop is slower than that, customers stay away instead of piling up."""


async def stream_of_customers(settings: Settings, retry: Retry) -> None:
    """Send customers at a steady rate until cancelled; those who are in the shop then are sent home."""
    visits: set[asyncio.Task[None]] = set()
    logging.getLogger("httpx").setLevel(logging.WARNING)  # else it tells of every request
    async with httpx.AsyncClient(base_url=settings.gateway_url, timeout=10) as client, asyncio.TaskGroup() as group:
        customer = Customer(client, Random(), retry)  # noqa: S311 - variety, not secrecy
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
    retry = Retry("shop", may_pass)
    faults = Faults(impatience=partial(unbounded, retry))
    await run_until_stopped(
        background(partial(stream_of_customers, settings, retry)), faults, door(settings.admin, {"faults": faults})
    )


if __name__ == "__main__":
    instrument(service_name="load")
    asyncio.run(main(Settings.read(os.environ)))
