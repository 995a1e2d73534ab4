"""Run inventory: `python -m shop.inventory`."""

import asyncio
import os
from functools import partial

from instrumentation import instrument
from shop.contracts import inventory_pb2_grpc
from shop.contracts.events import OrderCreated, ReleaseStock
from shop.inventory.service import InventoryServicer
from shop.inventory.settings import Settings
from shop.inventory.shelf import Shelf
from shop.inventory.tables import inbox, lease, metadata, outbox
from shop.inventory.warehouse import Warehouse
from shop.reliability.admin import door
from shop.reliability.database import Database
from shop.reliability.discovery import registered
from shop.reliability.disturbance import CallFault, HandlerFault
from shop.reliability.faults import Faults, hold
from shop.reliability.process import background, grpc_server, run_until_stopped
from shop.reliability.pruning import keep_pruned
from shop.reliability.relay import Relay
from shop.reliability.stream import Stream


def subscribe(stream: Stream, warehouse: Warehouse) -> None:
    """Register the handlers of events."""

    @stream.subscriber(OrderCreated.subject)
    async def order_created(event: OrderCreated) -> None:
        await warehouse.reserve(event)

    @stream.subscriber(ReleaseStock.subject)
    async def release_stock(event: ReleaseStock) -> None:
        await warehouse.release(event)


async def keep_stocked(warehouse: Warehouse, pieces: int, every_seconds: float) -> None:
    """Add the catalogue, then fill up what runs low until cancelled; not at all if `every_seconds` is 0."""
    await warehouse.stock_catalogue(pieces)
    while every_seconds > 0:
        await asyncio.sleep(every_seconds)
        await warehouse.fill_up(pieces)


async def main(settings: Settings) -> None:
    """Serve until told to stop."""
    database = Database(settings.database_url, metadata)
    warehouse = Warehouse(database)
    stream = Stream(settings.broker_url, "inventory")
    subscribe(stream, warehouse)
    relay = Relay(database, outbox, lease, stream.publish)
    shelf = Shelf(warehouse)
    servicer = InventoryServicer(warehouse, shelf)
    calls = CallFault()
    faults = Faults(hold=partial(hold, database), handlers=HandlerFault(stream), calls=calls)
    await run_until_stopped(
        database,
        background(partial(keep_stocked, warehouse, settings.pieces, settings.restock_seconds), shelf.watch),
        stream,
        background(relay.run, relay.watch, stream.watch_backlog, partial(keep_pruned, database, outbox, inbox)),
        grpc_server(
            settings.grpc_address,
            "shop.inventory.v1.Inventory",
            lambda server: inventory_pb2_grpc.add_InventoryServicer_to_server(servicer, server),
            [calls],
        ),
        registered(settings.discovery_url, "inventory", settings.advertised_address),
        faults,
        door(settings.admin, {"faults": faults}),
    )


if __name__ == "__main__":
    instrument(service_name="inventory")
    asyncio.run(main(Settings.read(os.environ)))
