"""Run the load: `python -m shop.load`."""

import asyncio
import os
from random import Random

import httpx

from instrumentation import instrument
from shop.load.customer import Customer
from shop.load.settings import Settings
from shop.reliability.process import background, run_until_stopped

MAX_VISITS = 200
"""Visits at the same time; when the shop is slower than that, customers stay away instead of piling up."""


async def stream_of_customers(settings: Settings) -> None:
    """Send customers at a steady rate until cancelled."""
    visits: set[asyncio.Task[None]] = set()
    loop = asyncio.get_running_loop()
    async with httpx.AsyncClient(base_url=settings.gateway_url, timeout=10) as client:
        customer = Customer(client, Random())  # noqa: S311 - variety, not secrecy
        due = loop.time()
        while True:
            if len(visits) < MAX_VISITS:
                visit = asyncio.create_task(customer.visit())
                visits.add(visit)
                visit.add_done_callback(visits.discard)
            due = max(due + 1 / settings.rate, loop.time() - 1)
            await asyncio.sleep(due - loop.time())


async def main(settings: Settings) -> None:
    """Be many customers until told to stop."""
    await run_until_stopped(background(lambda: stream_of_customers(settings)))


if __name__ == "__main__":
    instrument(service_name="load")
    asyncio.run(main(Settings.read(os.environ)))
