"""Run notifications: `python -m shop.notifications`."""

import asyncio
import os
from functools import partial

from instrumentation import instrument
from shop.contracts.events import OrderCancelled, OrderConfirmed
from shop.notifications.digest import Digest
from shop.notifications.postbox import Postbox
from shop.notifications.settings import Settings
from shop.notifications.tables import inbox, metadata
from shop.reliability.admin import door
from shop.reliability.database import Database
from shop.reliability.disturbance import HandlerFault
from shop.reliability.faults import Faults, hold
from shop.reliability.process import background, run_until_stopped
from shop.reliability.pruning import keep_pruned
from shop.reliability.stream import Stream

DIGEST_BATCH = 50
DIGEST_WAIT_SECONDS = 1.0


def subscribe(stream: Stream, postbox: Postbox, digest: Digest) -> None:
    """Register the handlers of events."""

    @stream.subscriber(OrderConfirmed.subject)
    async def order_confirmed(event: OrderConfirmed) -> None:
        await postbox.confirmed(event)

    @stream.subscriber(OrderCancelled.subject)
    async def order_cancelled(event: OrderCancelled) -> None:
        await postbox.cancelled(event)

    @stream.batch_subscriber(OrderConfirmed.subject, "digest", DIGEST_BATCH, DIGEST_WAIT_SECONDS)
    async def orders_confirmed(events: list[OrderConfirmed]) -> None:
        await digest.add(events)


async def main(settings: Settings) -> None:
    """Serve until told to stop."""
    database = Database(settings.database_url, metadata)
    stream = Stream(settings.broker_url, "notifications")
    subscribe(stream, Postbox(database), Digest(database))
    faults = Faults(hold=partial(hold, database), handlers=HandlerFault(stream))
    await run_until_stopped(
        database,
        stream,
        background(stream.watch_backlog, partial(keep_pruned, database, inbox)),
        faults,
        door(settings.admin, {"faults": faults}),
    )


if __name__ == "__main__":
    instrument(service_name="notifications")
    asyncio.run(main(Settings.read(os.environ)))
