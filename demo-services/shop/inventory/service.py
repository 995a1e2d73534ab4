"""The gRPC face of inventory."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import grpc

from shop.contracts import inventory_pb2 as pb
from shop.contracts import inventory_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from shop.inventory.shelf import Shelf
    from shop.inventory.warehouse import Product, Warehouse


class InventoryServicer(inventory_pb2_grpc.InventoryServicer):
    """Answers ListProducts, GetStock, CheckAvailability, Restock and StockFeed."""

    def __init__(self, warehouse: Warehouse, shelf: Shelf) -> None:
        self._warehouse = warehouse
        self._shelf = shelf

    async def ListProducts(  # noqa: N802 - the contract's name
        self, request: pb.ListProductsRequest, context: grpc.aio.ServicerContext
    ) -> pb.ListProductsResponse:
        """List every product."""
        return pb.ListProductsResponse(products=map(_to_message, await self._warehouse.products()))

    async def GetStock(self, request: pb.GetStockRequest, context: grpc.aio.ServicerContext) -> pb.Product:  # noqa: N802
        """Tell one product."""
        found = await self._warehouse.products([request.sku])
        return _to_message(found[0]) if found else await _unknown(request.sku, context)

    async def CheckAvailability(  # noqa: N802 - the contract's name
        self, request: pb.CheckAvailabilityRequest, context: grpc.aio.ServicerContext
    ) -> pb.CheckAvailabilityResponse:
        """Price the known SKUs and name the unknown ones."""
        found = await self._warehouse.products(request.skus)
        unknown = sorted(set(request.skus) - {product.sku for product in found})
        return pb.CheckAvailabilityResponse(products=map(_to_message, found), unknown_skus=unknown)

    async def Restock(self, request: pb.RestockRequest, context: grpc.aio.ServicerContext) -> pb.Product:  # noqa: N802
        """Add pieces to one product."""
        if not await self._warehouse.restock(request.sku, request.quantity):
            await _unknown(request.sku, context)
        return _to_message((await self._warehouse.products([request.sku]))[0])

    async def StockFeed(  # noqa: N802 - the contract's name
        self, request_iterator: AsyncIterator[pb.StockFeedRequest], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[pb.StockUpdate]:
        """Tell every product, then those that change, as fast as the caller acknowledges them."""
        sent: Mapping[str, Product] = {}
        version = 0
        async for request in request_iterator:
            if request.acknowledged != version:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"version {version} was not acknowledged")
            while self._shelf.products == sent:
                await self._shelf.wait()
            known, sent = sent, self._shelf.products
            version += 1
            changed = [product for product in sent.values() if known.get(product.sku) != product]
            yield pb.StockUpdate(version=version, products=map(_to_message, changed))


async def _unknown(sku: str, context: grpc.aio.ServicerContext) -> NoReturn:
    await context.abort(grpc.StatusCode.NOT_FOUND, f"no product {sku!r}")


def _to_message(product: Product) -> pb.Product:
    return pb.Product(sku=product.sku, name=product.name, price_cents=product.price_cents, stock=product.stock)
