"""The catalogue: the products as the stock feed tells them, which outlives inventory."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

import grpc

from instrumentation import get_logger
from shop.contracts.inventory_pb2 import CheckAvailabilityResponse, Product

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shop.gateway.services import Services

RETRY_SECONDS = 0.5

log = get_logger(__name__)


class Catalogue:
    """All products by SKU; while inventory is away, as they were."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._products: dict[str, Product] = {}
        self._stale_since: float | None = None

    @property
    def products(self) -> list[Product]:
        """All products, by SKU; none before the first update."""
        return [self._products[sku] for sku in sorted(self._products)]

    @property
    def age_seconds(self) -> int:
        """How long ago the products were known for sure; 0 while the feed runs."""
        return 0 if self._stale_since is None else int(time.monotonic() - self._stale_since)

    async def follow(self) -> None:
        """Follow the feed until cancelled; when it ends, begin again."""
        while True:
            try:
                await self._take_in()
            except grpc.RpcError as error:
                log.warning("stock feed lost, will follow again", error=str(error.code()))
            if self._stale_since is None:
                self._stale_since = time.monotonic()
            await asyncio.sleep(RETRY_SECONDS)

    def check(self, skus: Iterable[str]) -> CheckAvailabilityResponse | None:
        """Price SKUs and find the unknown ones, as inventory does; None while nothing is known yet."""
        if not self._products:
            return None
        wanted = sorted(set(skus))
        return CheckAvailabilityResponse(
            products=[self._products[sku] for sku in wanted if sku in self._products],
            unknown_skus=[sku for sku in wanted if sku not in self._products],
        )

    async def _take_in(self) -> None:
        async with aclosing(self._services.stock_updates()) as updates:
            async for update in updates:
                self._products.update({product.sku: product for product in update.products})
                self._stale_since = None
