"""The shelf: what is in stock, as of a moment ago, for those who follow it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shop.inventory.business import stock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shop.inventory.warehouse import Product, Warehouse

LOOK_SECONDS = 0.25
"""How often it looks: the stock moves in other processes of the service too."""


class Shelf:
    """All products by SKU, looked up once for all who follow them."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.products: Mapping[str, Product] = {}
        self._warehouse = warehouse
        self._moved = asyncio.Event()

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            found = {product.sku: product for product in await self._warehouse.products()}
            if found != self.products:
                self.products = found
                moved, self._moved = self._moved, asyncio.Event()
                moved.set()
            for product in found.values():
                stock.set(product.stock, {"sku": product.sku})
            await asyncio.sleep(LOOK_SECONDS)

    async def wait(self) -> None:
        """Wait until something moves."""
        await self._moved.wait()
