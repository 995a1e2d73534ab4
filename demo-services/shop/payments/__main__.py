"""Run payments: `python -m shop.payments`."""

import asyncio
import os
from functools import partial

from instrumentation import instrument
from shop.contracts import payments_pb2_grpc
from shop.contracts.events import RefundPayment, StockReserved
from shop.payments.service import PaymentsServicer
from shop.payments.settings import Settings
from shop.payments.tables import idempotency_keys, inbox, lease, metadata, outbox
from shop.payments.till import Till
from shop.reliability.admin import door
from shop.reliability.database import Database
from shop.reliability.discovery import registered
from shop.reliability.disturbance import CallFault, HandlerFault
from shop.reliability.faults import Faults, hold
from shop.reliability.process import background, grpc_server, run_until_stopped
from shop.reliability.pruning import keep_pruned
from shop.reliability.relay import Relay
from shop.reliability.stream import Stream


def subscribe(stream: Stream, till: Till) -> None:
    """Register the handlers of events."""

    @stream.subscriber(StockReserved.subject)
    async def stock_reserved(event: StockReserved) -> None:
        await till.charge(event)

    @stream.subscriber(RefundPayment.subject)
    async def refund_payment(event: RefundPayment) -> None:
        await till.refund(event)


async def main(settings: Settings) -> None:
    """Serve until told to stop."""
    database = Database(settings.database_url, metadata)
    till = Till(database, settings.decline_share)
    stream = Stream(settings.broker_url, "payments")
    subscribe(stream, till)
    relay = Relay(database, outbox, lease, stream.publish)
    servicer = PaymentsServicer(till)
    calls = CallFault()
    faults = Faults(hold=partial(hold, database), handlers=HandlerFault(stream), calls=calls, decline=till.decline)
    await run_until_stopped(
        database,
        stream,
        background(
            relay.run,
            relay.watch,
            stream.watch_backlog,
            partial(keep_pruned, database, outbox, inbox, idempotency_keys),
        ),
        grpc_server(
            settings.grpc_address,
            "shop.payments.v1.Payments",
            lambda server: payments_pb2_grpc.add_PaymentsServicer_to_server(servicer, server),
            [calls],
        ),
        registered(settings.discovery_url, "payments", settings.advertised_address),
        faults,
        door(settings.admin, {"faults": faults}),
    )


if __name__ == "__main__":
    instrument(service_name="payments")
    asyncio.run(main(Settings.read(os.environ)))
