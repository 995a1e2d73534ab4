"""The shelf: what is in stock, as of a moment ago, for those who follow it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shop.inventory.business import stock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shop.inventory.warehouse import Product, Warehouse

LOOK_SECONDS = (0.25, 1.0)
"""How often it looks while the stock moves, and when it has not for long: it moves in other processes too."""


class Shelf:
    """All products by SKU, looked up once for all who follow them."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.products: Mapping[str, Product] = {}
        self._warehouse = warehouse
        self._moved = asyncio.Event()

    async def watch(self) -> None:
        """Look until cancelled."""
        shortest, longest = LOOK_SECONDS
        pause = shortest
        while True:
            pause = min(2 * pause, longest)
            found = {product.sku: product for product in await self._warehouse.products()}
            if found != self.products:
                pause, self.products = shortest, found
                moved, self._moved = self._moved, asyncio.Event()
                moved.set()
            for product in found.values():
                stock.set(product.stock, {"sku": product.sku})
            await asyncio.sleep(pause)

    async def wait(self) -> None:
        """Wait until something moves."""
        await self._moved.wait()
