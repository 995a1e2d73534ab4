"""Run orders: `python -m shop.orders`."""

import asyncio
import os
import time
from functools import partial

from instrumentation import instrument
from shop.contracts import orders_pb2_grpc
from shop.orders.consumers import subscribe
from shop.orders.ledger import Ledger
from shop.orders.service import OrdersServicer
from shop.orders.settings import Settings
from shop.orders.tables import inbox, lease, metadata, outbox
from shop.orders.watchers import Watchers
from shop.reliability.admin import door
from shop.reliability.database import Database
from shop.reliability.discovery import registered
from shop.reliability.disturbance import CallFault, HandlerFault
from shop.reliability.faults import Faults, hold
from shop.reliability.process import background, grpc_server, run_until_stopped
from shop.reliability.pruning import keep_pruned
from shop.reliability.relay import Relay
from shop.reliability.stream import Stream


async def time_out_steps(ledger: Ledger, every_seconds: float) -> None:
    """Look for overdue saga steps, and count the sagas under way, until cancelled."""
    while True:
        await ledger.count_open(time.time_ns())
        await asyncio.sleep(every_seconds)
        await ledger.time_out(time.time_ns())


async def main(settings: Settings) -> None:
    """Serve until told to stop."""
    database = Database(settings.database_url, metadata)
    watchers = Watchers()
    ledger = Ledger(database, watchers, settings.step_timeout_seconds)
    stream = Stream(settings.broker_url, "orders")
    subscribe(stream, ledger)
    relay = Relay(database, outbox, lease, stream.publish)
    servicer = OrdersServicer(ledger, watchers)
    calls = CallFault()
    faults = Faults(hold=partial(hold, database), handlers=HandlerFault(stream), calls=calls)
    await run_until_stopped(
        database,
        stream,
        background(
            relay.run,
            relay.watch,
            stream.watch_backlog,
            partial(time_out_steps, ledger, min(1.0, settings.step_timeout_seconds / 2)),
            partial(keep_pruned, database, outbox, inbox),
        ),
        grpc_server(
            settings.grpc_address,
            "shop.orders.v1.Orders",
            lambda server: orders_pb2_grpc.add_OrdersServicer_to_server(servicer, server),
            [calls],
        ),
        registered(settings.discovery_url, "orders", settings.advertised_address),
        faults,
        door(settings.admin, {"faults": faults}),
    )


if __name__ == "__main__":
    instrument(service_name="orders")
    asyncio.run(main(Settings.read(os.environ)))
