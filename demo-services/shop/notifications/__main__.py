"""Run notifications: `python -m shop.notifications`."""

import asyncio
import os

from instrumentation import instrument
from shop.contracts.events import OrderCancelled, OrderConfirmed
from shop.notifications.postbox import Postbox
from shop.notifications.settings import Settings
from shop.notifications.tables import metadata
from shop.reliability.database import Database
from shop.reliability.process import run_until_stopped
from shop.reliability.stream import Stream


def subscribe(stream: Stream, postbox: Postbox) -> None:
    """Register the handlers of events."""

    @stream.subscriber(OrderConfirmed.subject)
    async def order_confirmed(event: OrderConfirmed) -> None:
        await postbox.confirmed(event)

    @stream.subscriber(OrderCancelled.subject)
    async def order_cancelled(event: OrderCancelled) -> None:
        await postbox.cancelled(event)


async def main(settings: Settings) -> None:
    """Serve until told to stop."""
    database = Database(settings.database_url, metadata)
    stream = Stream(settings.broker_url, "notifications")
    subscribe(stream, Postbox(database))
    await run_until_stopped(database, stream)


if __name__ == "__main__":
    instrument(service_name="notifications")
    asyncio.run(main(Settings.read(os.environ)))
