"""The services behind the gateway, over gRPC."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from shop.contracts import inventory_pb2, inventory_pb2_grpc, orders_pb2, orders_pb2_grpc
from shop.gateway.channel_pool import ChannelPool
from shop.gateway.dependency import Dependency
from shop.reliability.discovery import discovery, names_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable, Mapping, Sequence

    from shop.gateway.settings import Settings
    from shop.gateway.split import Balancing

HEALTH_TIMEOUT_SECONDS = 1.0

_CHANNEL_OPTIONS = [
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
    # Without a bound a service that was away is tried again after up to two minutes.
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.dns_min_time_between_resolutions_ms", 5000),
]


class Services:
    """Channels to orders and inventory, open while it is entered. Failures are raised as `Dependency.call` does."""

    def __init__(self, settings: Settings) -> None:
        self.orders = Dependency("orders", settings.call_timeout_seconds)
        self.inventory = Dependency("inventory", settings.call_timeout_seconds)
        self._targets = {"orders": settings.orders_target, "inventory": settings.inventory_target}
        self._discovery_url = settings.discovery_url
        self._balancing: Balancing = settings.balancing
        self._weights = settings.traffic_split

    async def __aenter__(self) -> Services:
        # Not in __init__: a channel belongs to the event loop that runs when it is made.
        self._channels = {name: await self._open(name) for name in self._targets}
        self._orders = orders_pb2_grpc.OrdersStub(self._channels["orders"])
        self._inventory = inventory_pb2_grpc.InventoryStub(self._channels["inventory"])
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for channel in self._channels.values():
            await channel.close()

    async def _open(self, service: str) -> grpc.aio.Channel | ChannelPool:
        """Let gRPC balance where it can: over a list and over names, in turn. Else each replica has its channel."""
        url, target = self._discovery_url, self._targets[service]
        weights = self._weights.get(service, {})
        if self._balancing == "round_robin" and not url and not weights:
            return grpc.aio.insecure_channel(target, _CHANNEL_OPTIONS)
        if self._balancing == "round_robin" and not weights and (names := names_of(url, service)):
            return grpc.aio.insecure_channel(f"dns:///{names[0]}", _CHANNEL_OPTIONS)
        found = discovery(url or f"static://{service}={target.removeprefix('ipv4:')}")
        return await ChannelPool(service, found, self._balancing, _CHANNEL_OPTIONS, weights=weights).__aenter__()

    @property
    def names(self) -> Collection[str]:
        """Of all services."""
        return self._targets.keys()

    @property
    def pools(self) -> Mapping[str, ChannelPool]:
        """Services whose replicas are chosen here and not by gRPC, by name; while it is entered."""
        return {name: channel for name, channel in self._channels.items() if isinstance(channel, ChannelPool)}

    async def create_order(
        self, order_id: str, customer_id: str, lines: Iterable[orders_pb2.OrderLine]
    ) -> orders_pb2.Order:
        """Create an order, or get the one that has this id."""
        request = orders_pb2.CreateOrderRequest(order_id=order_id, customer_id=customer_id, lines=lines)
        return await self.orders.call(self._orders.CreateOrder, request)

    async def get_order(self, order_id: str) -> orders_pb2.Order:
        """Get an order."""
        return await self.orders.call(self._orders.GetOrder, orders_pb2.GetOrderRequest(order_id=order_id))

    def watch_order(self, order_id: str) -> AsyncIterable[orders_pb2.OrderStep]:
        """Follow an order to its end; no timeout, the reader decides how long."""
        return self._orders.WatchOrder(orders_pb2.WatchOrderRequest(order_id=order_id))

    async def products(self) -> Sequence[inventory_pb2.Product]:
        """List all products."""
        answer = await self.inventory.call(self._inventory.ListProducts, inventory_pb2.ListProductsRequest())
        return answer.products

    async def stock_updates(self) -> AsyncIterator[inventory_pb2.StockUpdate]:
        """Follow the stock: all products at first, then those that change; each is acknowledged when the next is asked.

        It stays with one replica until that fails, or gets no call any more; it waits for one to be there.
        """
        call = self._inventory.StockFeed(wait_for_ready=True)
        version = 0
        try:
            while True:
                await call.write(inventory_pb2.StockFeedRequest(acknowledged=version))
                update = await _read(call)
                if update is grpc.aio.EOF:
                    return
                version = update.version
                yield update
        finally:
            call.cancel()

    async def check(self, skus: Iterable[str]) -> inventory_pb2.CheckAvailabilityResponse:
        """Price SKUs and find the unknown ones."""
        request = inventory_pb2.CheckAvailabilityRequest(skus=sorted(set(skus)))
        return await self.inventory.call(self._inventory.CheckAvailability, request)

    async def health(self) -> dict[str, bool]:
        """Tell of each service whether it says that it serves."""
        answers = await asyncio.gather(*map(_serves, self._channels.values()))
        return dict(zip(self._channels, answers, strict=True))


async def _read(call: Any) -> Any:
    """Read from a stream; the end of one that the channel pool cancelled is an end like any other."""
    try:
        return await call.read()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling() or not call.cancelled():
            raise
        return grpc.aio.EOF


async def _serves(channel: Any) -> bool:
    try:
        answer = await health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=HEALTH_TIMEOUT_SECONDS
        )
    except grpc.RpcError:
        return False
    return answer.status == health_pb2.HealthCheckResponse.SERVING
