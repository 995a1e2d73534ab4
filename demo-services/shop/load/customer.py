"""What one customer does: look, order, wait for the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx

from instrumentation import get_logger

if TYPE_CHECKING:
    from random import Random

    from shop.reliability.retry import Retry

ONLY_LOOKS = 0.2
ASKS_FOR_WHAT_IS_NOT_THERE = 0.03
SENDS_TWICE = 0.05
CUSTOMERS = 500
POLL_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
TIMEOUT_SECONDS = 10.0
UNKNOWN_SKU = "wings-bronze"


class _AwayError(Exception):
    """The shop says that it cannot answer now."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


def may_pass(error: Exception) -> bool:
    """Tell whether what a request raised is worth another attempt."""
    return isinstance(error, (httpx.TransportError, _AwayError))


class Customer:
    """A visitor of the shop; what they do is drawn from `random`."""

    def __init__(self, client: httpx.AsyncClient, random: Random, retry: Retry) -> None:
        self._client = client
        self._random = random
        self._retry = retry

    async def visit(self) -> None:
        """Look at the products and maybe order; a shop that does not answer is logged, not raised."""
        try:
            await self._visit()
        except httpx.TransportError as error:
            get_logger(__name__).warning("the shop does not answer", error=repr(error))

    async def _visit(self) -> None:
        products = await self._send("GET", "/products")
        if products.is_error or self._random.random() < ONLY_LOOKS:
            return
        order_id = await self._order(products.json()["products"])
        if order_id:
            await self._wait(order_id)

    async def _order(self, products: list[dict[str, Any]]) -> str | None:
        """Send a cart, sometimes twice as an impatient customer does; return the order id if it was taken."""
        body = {"customer_id": f"customer-{self._random.randrange(CUSTOMERS)}", "items": self._cart(products)}
        headers = {"Idempotency-Key": str(UUID(int=self._random.getrandbits(128)))}
        answer = await self._send("POST", "/orders", json=body, headers=headers)
        if self._random.random() < SENDS_TWICE:
            answer = await self._send("POST", "/orders", json=body, headers=headers)
        return answer.json()["order_id"] if answer.status_code == 202 else None

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request, again if the shop is away: the same key makes it the same order."""

        async def attempt(seconds_left: float) -> httpx.Response:
            answer = await self._client.request(method, path, timeout=seconds_left, **options)
            if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                raise _AwayError(answer)
            return answer

        try:
            return await self._retry.call(attempt, TIMEOUT_SECONDS)
        except _AwayError as error:
            return error.answer

    def _cart(self, products: list[dict[str, Any]]) -> list[dict[str, Any]]:
        chosen = self._random.sample(products, self._random.randint(1, min(3, len(products))))
        cart = [{"sku": product["sku"], "quantity": self._random.randint(1, 3)} for product in chosen]
        if self._random.random() < ASKS_FOR_WHAT_IS_NOT_THERE:
            cart.append({"sku": UNKNOWN_SKU, "quantity": 1})
        return cart

    async def _wait(self, order_id: str) -> None:
        for pause in POLL_SECONDS:
            await asyncio.sleep(pause)
            answer = await self._send("GET", f"/orders/{order_id}")
            if answer.is_error or answer.json()["status"] != "pending":
                return
