"""Placing an order: checked, priced, and placed once however often it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import grpc
from opentelemetry import trace
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shop.contracts.orders_pb2 import OrderLine
from shop.gateway.breaker import OpenError
from shop.gateway.dependency import is_away
from shop.gateway.problems import ProblemError
from shop.gateway.tables import idempotency_keys
from shop.reliability.idempotency import KeyReusedError, fingerprint

if TYPE_CHECKING:
    from shop.contracts.inventory_pb2 import CheckAvailabilityResponse
    from shop.gateway.catalogue import Catalogue
    from shop.gateway.services import Services
    from shop.reliability.database import Database

MAX_LINES = 100
MAX_QUANTITY = 1000

_Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class Item(BaseModel):
    """One line of the request."""

    model_config = ConfigDict(strict=True, extra="forbid")
    sku: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY)]


class OrderRequest(BaseModel):
    """Body of `POST /orders`."""

    model_config = ConfigDict(strict=True, extra="forbid")
    customer_id: _Name
    items: Annotated[list[Item], Field(min_length=1, max_length=MAX_LINES)]


class Placement:
    """Places orders.

    The order id is chosen here and stored with the idempotency key before the order is created. So whoever sends the
    same request, at the same time or after a crash in between, creates the same order, and orders keeps the first.
    """

    def __init__(self, database: Database, services: Services, catalogue: Catalogue) -> None:
        self._database = database
        self._services = services
        self._catalogue = catalogue

    async def place(self, request: OrderRequest, key: str | None) -> str:
        """Create the order and return its id.

        Raises:
            ProblemError: unknown SKU, or the key was used for another request.
        """
        content = fingerprint(request.model_dump())
        order_id = await self._known(key, content)
        lines = await self._priced(request)
        if order_id is None:
            order_id = await self._choose_id(key, content)
        trace.get_current_span().set_attribute("shop.order.id", order_id)
        await self._services.create_order(order_id, request.customer_id, lines)
        return order_id

    async def _known(self, key: str | None, content: str) -> str | None:
        if key is None:
            return None
        async with self._database.read() as connection:
            try:
                return await idempotency_keys.find(connection, key, content)
            except KeyReusedError:
                raise _key_reused() from None

    async def _choose_id(self, key: str | None, content: str) -> str:
        order_id = uuid4().hex
        if key is None:
            return order_id
        async with self._database.write() as connection:
            try:
                return await idempotency_keys.claim(connection, key, content, order_id)
            except KeyReusedError:
                raise _key_reused() from None

    async def _priced(self, request: OrderRequest) -> list[OrderLine]:
        answer = await self._checked([item.sku for item in request.items])
        if answer.unknown_skus:
            skus = list(answer.unknown_skus)
            raise ProblemError(422, "unknown-sku", f"no such product: {', '.join(skus)}", {"skus": skus})
        price = {product.sku: product.price_cents for product in answer.products}
        return [OrderLine(sku=item.sku, quantity=item.quantity, price_cents=price[item.sku]) for item in request.items]

    async def _checked(self, skus: list[str]) -> CheckAvailabilityResponse:
        """Ask inventory; while it is away, take what is known: whether it is in stock is decided later anyway."""
        try:
            return await self._services.check(skus)
        except (grpc.RpcError, OpenError) as error:
            if not (isinstance(error, OpenError) or is_away(error)):
                raise
            known = self._catalogue.check(skus)
            if known is None:
                raise
            self._services.inventory.breaker.telemetry.fell_back("catalogue")
            return known


def _key_reused() -> ProblemError:
    return ProblemError(422, "idempotency-key-reused", "this Idempotency-Key was used with another body")
