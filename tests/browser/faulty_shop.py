"""A run of the shop with a fault in it: one of two replicas of payments, of a newer version, declines most cards."""

import time
from contextlib import contextmanager

import httpx
from shop.runner import Plan, Shop

GOOD, FAULTY = "1.4.0", "1.5.0-rc1"


def _version(number):
    return {"OTEL_RESOURCE_ATTRIBUTES": f"service.version={number}"}


@contextmanager
def faulty_shop(directory, orders, load_rate=0):
    """Run the shop until enough orders are cancelled and confirmed; it runs on while the context does."""
    environment = {
        "inventory": {"RESTOCK_SECONDS": "5", "STOCK_PIECES": "100000"},
        "payments": {"DECLINE_SHARE": "0", **_version(GOOD)},
        "payments-2": {"DECLINE_SHARE": "1", **_version(FAULTY)},
    }
    plan = Plan(
        directory,
        replicas=2,
        load_rate=load_rate,
        environment={"OTEL_METRIC_EXPORT_INTERVAL": "500"},
        service_environment=environment,
    )
    with Shop(plan) as shop, httpx.Client(base_url=shop.gateway_url, timeout=20) as gateway:
        placed = [place(gateway, number) for number in range(orders)]
        for order_id in placed:
            _wait(gateway, order_id)
        yield shop


def place(gateway, number):
    """Place an order; return its id."""
    products = gateway.get("/products").json()["products"]
    item = {"sku": products[number % len(products)]["sku"], "quantity": 1}
    answer = gateway.post("/orders", json={"customer_id": f"customer-{number % 7}", "items": [item]})
    return answer.raise_for_status().json()["order_id"]


def _wait(gateway, order_id, seconds=20):
    deadline = time.monotonic() + seconds
    while gateway.get(f"/orders/{order_id}").json()["status"] == "pending":
        assert time.monotonic() < deadline, f"order {order_id} does not settle"
        time.sleep(0.05)
