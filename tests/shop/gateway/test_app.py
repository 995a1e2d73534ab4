import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

BODY = {"customer_id": "ann", "items": [{"sku": "horn", "quantity": 2}]}


def stock(http: httpx.Client, sku: str) -> int:
    return next(item["stock"] for item in http.get("/products").json()["products"] if item["sku"] == sku)


def wait_for_stock(http: httpx.Client, sku: str, pieces: int) -> None:
    """Wait until the feed has told the gateway, which is a moment after the order is settled."""
    deadline = time.monotonic() + 5
    while stock(http, sku) != pieces:
        assert time.monotonic() < deadline, (stock(http, sku), pieces)
        time.sleep(0.02)


def test_order_is_taken_and_confirmed(http: httpx.Client, settle: Callable):
    """An order is pending at once and confirmed soon, and its stock is taken."""
    before = stock(http, "lamp-clay")
    items = [{"sku": "lamp-clay", "quantity": 3}]
    answer = http.post("/orders", json={"customer_id": "ann", "items": items})
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    order_id = answer.json()["order_id"]
    assert settle(order_id) == {
        "order_id": order_id,
        "status": "confirmed",
        "customer_id": "ann",
        "items": items,
        "total_cents": 3 * 1250,
    }
    wait_for_stock(http, "lamp-clay", before - 3)


def test_declined_payment_restores_the_stock(http: httpx.Client, settle: Callable):
    """An order that is not paid is cancelled with the reason, and what it reserved can be ordered again."""
    before = stock(http, "sandals")
    body = {"customer_id": "declined-bob", "items": [{"sku": "sandals", "quantity": 5}]}
    order = settle(http.post("/orders", json=body).json()["order_id"])
    assert (order["status"], order["reason"]) == ("cancelled", "payment declined")
    wait_for_stock(http, "sandals", before)


def test_events_tell_each_step_to_the_end(http: httpx.Client):
    """The event stream tells the compensation step by step, numbered from 1, and ends after the final one."""
    order_id = http.post("/orders", json={**BODY, "customer_id": "declined-bob"}).json()["order_id"]
    answer = http.get(f"/orders/{order_id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [dict(line.split(": ", 1) for line in block.splitlines()) for block in answer.text.strip().split("\n\n")]
    names = ["created", "stock_reserved", "payment_declined", "stock_released", "cancelled"]
    assert [event["event"] for event in events] == names
    assert [event["id"] for event in events] == ["1", "2", "3", "4", "5"]
    assert [json.loads(event["data"])["final"] for event in events] == [False] * 4 + [True]


def test_same_key_and_body_give_the_same_answer(http: httpx.Client):
    """A repeated request gets the first one's body, also after the order has moved on."""
    headers = {"Idempotency-Key": str(uuid4())}
    first, second = (http.post("/orders", json=BODY, headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert second.content == first.content


def test_same_key_and_other_body_is_refused(http: httpx.Client):
    """A key stands for one request only."""
    headers = {"Idempotency-Key": str(uuid4())}
    http.post("/orders", json=BODY, headers=headers)
    answer = http.post("/orders", json={**BODY, "customer_id": "eve"}, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["type"] == "urn:clew-shop:idempotency-key-reused"


def test_concurrent_duplicates_make_one_order(http: httpx.Client):
    """Ten equal requests at the same moment all get the same order."""
    headers = {"Idempotency-Key": str(uuid4())}
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: http.post("/orders", json=BODY, headers=headers), range(10)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1


def test_requests_without_a_key_are_orders_of_their_own(http: httpx.Client):
    """Without a key nobody says that two requests are one."""
    first, second = (http.post("/orders", json=BODY).json()["order_id"] for _ in range(2))
    assert first != second


@pytest.mark.parametrize(
    ("content", "status", "kind"),
    [
        (b"{", 400, "malformed-json"),
        (b"[]", 422, "invalid-request"),
        (b"{}", 422, "invalid-request"),
        (json.dumps({**BODY, "items": []}).encode(), 422, "invalid-request"),
        (json.dumps({**BODY, "items": [{"sku": "horn", "quantity": 0}]}).encode(), 422, "invalid-request"),
        (json.dumps({**BODY, "items": [{"sku": "horn", "quantity": "2"}]}).encode(), 422, "invalid-request"),
        (json.dumps({**BODY, "items": [{"sku": "nectar", "quantity": 1}]}).encode(), 422, "unknown-sku"),
    ],
)
def test_bad_order_is_a_problem(http: httpx.Client, content: bytes, status: int, kind: str):
    """A body that cannot be an order is answered 4xx with a problem that names its kind."""
    answer = http.post("/orders", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert (problem["type"], problem["status"]) == (f"urn:clew-shop:{kind}", status)


@pytest.mark.parametrize("path", ["/nowhere", "/orders/none", "/orders/none/events"])
def test_what_does_not_exist_is_a_problem(http: httpx.Client, path: str):
    """Unknown paths and unknown orders are 404 problems."""
    answer = http.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_health_tells_each_dependency(http: httpx.Client):
    """A healthy gateway is live, and ready with every check good."""
    checks = {"database": True, "orders": True, "inventory": True}
    assert http.get("/health/live").json() == {"status": "ok"}
    assert http.get("/health/ready").json() == {"status": "ok", "checks": checks}
    assert http.get("/health").json() == {"status": "ok", "checks": checks}
