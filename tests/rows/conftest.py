"""What several rows read: the console's own API, and orders of the shop under ids of the caller's."""

import secrets
from typing import NamedTuple

import httpx
import pytest


class Placed(NamedTuple):
    """An order and the ids that went with it."""

    order_id: str
    trace_id: str
    request_id: str


@pytest.fixture
def place(gateway, settled):
    """Place an order under a trace and a request ID of the caller's, and wait until it has ended."""

    def place(customer="ann"):
        trace_id, request_id = secrets.token_hex(16), f"row-{secrets.token_hex(4)}"
        response = gateway.post(
            "/orders",
            json={"customer_id": customer, "items": [{"sku": "horn", "quantity": 1}]},
            headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01", "X-Request-ID": request_id},
        )
        assert (response.status_code, response.headers["x-request-id"]) == (202, request_id), response.text
        settled(response.json()["order_id"])
        return Placed(response.json()["order_id"], trace_id, request_id)

    return place


@pytest.fixture
def console(shop):
    """A client of the shop's console."""
    with httpx.Client(base_url=shop.console_url, timeout=20) as client:
        yield client


@pytest.fixture
def metric_points(console):
    """Return the stored points of a metric, the newest first."""

    def points(name, **where):
        response = console.get("/api/metrics/points", params={"name": name, "limit": 5000, **where})
        assert response.status_code == 200, response.text
        return response.json()["points"]

    return points
