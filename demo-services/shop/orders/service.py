"""The gRPC face of orders."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc

from shop.contracts import orders_pb2 as pb
from shop.contracts import orders_pb2_grpc
from shop.contracts.events import Line
from shop.orders.saga import State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shop.orders.ledger import Ledger, Order, Step
    from shop.orders.watchers import Watchers

RECHECK_SECONDS = 1.0
"""How often a watcher looks by itself: the order may move in another process of the service."""

_STATUS = {State.CONFIRMED: pb.ORDER_STATUS_CONFIRMED, State.CANCELLED: pb.ORDER_STATUS_CANCELLED}


class OrdersServicer(orders_pb2_grpc.OrdersServicer):
    """Answers CreateOrder, GetOrder and WatchOrder."""

    def __init__(self, ledger: Ledger, watchers: Watchers) -> None:
        self._ledger = ledger
        self._watchers = watchers

    async def CreateOrder(  # noqa: N802 - the contract's name
        self, request: pb.CreateOrderRequest, context: grpc.aio.ServicerContext
    ) -> pb.Order:
        """Store the order and start its saga."""
        if not request.order_id or not request.lines or any(line.quantity == 0 for line in request.lines):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "an order needs an id and lines of at least 1 piece")
        lines = [Line(sku=line.sku, quantity=line.quantity, price_cents=line.price_cents) for line in request.lines]
        return _to_message(await self._ledger.create(request.order_id, request.customer_id, lines))

    async def GetOrder(self, request: pb.GetOrderRequest, context: grpc.aio.ServicerContext) -> pb.Order:  # noqa: N802
        """Tell how the order stands."""
        order = await self._ledger.get(request.order_id)
        if order is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no order {request.order_id!r}")
        return _to_message(order)

    async def WatchOrder(  # noqa: N802 - the contract's name
        self, request: pb.WatchOrderRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[pb.OrderStep]:
        """Tell every step, the past ones at once, until the final one."""
        if await self._ledger.get(request.order_id) is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no order {request.order_id!r}")
        with self._watchers.watching(request.order_id) as moved:
            sequence = 0
            final = False
            while not final:
                moved.clear()
                for step in await self._ledger.steps_after(request.order_id, sequence):
                    sequence, final = step.sequence, step.name in _STATUS
                    yield _to_step(step)
                if not final:
                    await _wait(moved)


async def _wait(moved: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(RECHECK_SECONDS):
            await moved.wait()
    except TimeoutError:
        return


def _to_message(order: Order) -> pb.Order:
    status = _STATUS.get(order.state, pb.ORDER_STATUS_PENDING)
    return pb.Order(
        order_id=order.order_id,
        customer_id=order.customer_id,
        status=status,
        reason=order.reason if order.state is State.CANCELLED else "",
        total_cents=order.total_cents,
        lines=[
            pb.OrderLine(sku=line.sku, quantity=line.quantity, price_cents=line.price_cents) for line in order.lines
        ],
    )


def _to_step(step: Step) -> pb.OrderStep:
    return pb.OrderStep(sequence=step.sequence, name=step.name, at_unix_ms=step.at_unix_ms, final=step.name in _STATUS)
