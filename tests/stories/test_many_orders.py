"""A thousand orders at once."""

import asyncio
import time

import httpx
import pytest

ORDERS, AT_ONCE = 1000, 32
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


async def test_a_thousand_orders_add_up(shop, violations):
    """1000 orders leave no stuck saga and no double charge; stock and money add up over all databases."""
    gate = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(base_url=shop.gateway_url, timeout=60) as client:

        async def place(number):
            body = {
                "customer_id": "declined-bob" if number % 7 == 0 else "ann",
                "items": [{"sku": "sail-white", "quantity": 1}, {"sku": "horn", "quantity": 2}],
            }
            async with gate:
                response = await client.post("/orders", json=body, headers={"Idempotency-Key": f"thousand-{number}"})
            assert response.status_code == 202, response.text
            return response.json()["order_id"]

        ids = await asyncio.gather(*map(place, range(ORDERS)))
        assert len(set(ids)) == ORDERS
        deadline = time.monotonic() + 120
        while (found := violations()) and time.monotonic() < deadline:  # noqa: ASYNC110 databases tell nobody
            await asyncio.sleep(0.2)
        assert found == []
        sample = await asyncio.gather(*[client.get(f"/orders/{order_id}") for order_id in ids[::50]])
        assert [answer.json()["status"] for answer in sample] == [
            "cancelled" if number % 7 == 0 else "confirmed" for number in range(0, ORDERS, 50)
        ]
