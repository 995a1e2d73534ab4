"""Row 30: a part that fails does not stop the whole. What is promised is the table of docs/degradation.md."""

import signal
import threading
import time
from pathlib import Path
from statistics import quantiles

import httpx
import pytest
from freezing import frozen

pytestmark = pytest.mark.timeout(240)
PAGE = Path(__file__).parents[2] / "docs" / "degradation.md"
TABLE = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text().splitlines()
    if line.startswith("| ")
]
COLUMNS, ROWS = TABLE[0], {cells[0]: dict(zip(TABLE[0], cells, strict=True)) for cells in TABLE[1:]}
PROCESSES = {
    "nothing": (),
    "orders": ("orders",),
    "one of two inventories": ("inventory-1",),
    "inventory": ("inventory-1", "inventory-2"),
    "one of two payments": ("payments-1",),
    "payments": ("payments-1", "payments-2"),
    "notifications": ("notifications",),
    "broker": ("nats",),
    "console or Collector": ("console",),
}
FAST = {"orders"}
PRODUCTS, READY = "`GET /products`", "`GET /health/ready`"
BODY = {"customer_id": "ann", "items": [{"sku": "horn", "quantity": 1}]}
CLIENTS = 2


def test_the_table_has_every_process(shop):
    """Each process of the shop but the gateway itself is away in a row of the table."""
    running = {child.name for child in shop.children} - {"gateway"}
    assert ROWS.keys() == PROCESSES.keys()
    # The replicas of a service are alike.
    assert {name.partition("-")[0] for names in PROCESSES.values() for name in names} == {
        name.partition("-")[0] for name in running
    }


@pytest.mark.parametrize("away", [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in ROWS])
def test_what_the_gateway_answers_while_a_part_is_away(away, gateway, down, settled, eventually):
    """With the part killed the gateway answers as its row says, also why not, and every order it took ends."""
    row = ROWS[away]
    earlier = gateway.post("/orders", json=BODY).json()["order_id"]
    settled(earlier)
    with down(*PROCESSES[away]):
        eventually(lambda: _told(gateway.get("/health/ready")) == row[READY], 15)
        eventually(lambda: _told(gateway.get("/products")) == row[PRODUCTS], 15)
        order = gateway.post("/orders", json=BODY)
        order_id = order.json().get("order_id", earlier)
        answers = {
            "`POST /orders`": order,
            "`GET /orders/{order_id}`": gateway.get(f"/orders/{order_id}"),
            "`GET /orders/{order_id}/events`": gateway.get(f"/orders/{earlier}/events"),
            PRODUCTS: gateway.get("/products"),
            READY: gateway.get("/health/ready"),
        }
        told = {column: _told(answer) for column, answer in answers.items()}
        assert told == {column: row[column] for column in answers}
        checks = answers[READY].json()["checks"]
        assert {name for name, answers in checks.items() if not answers} == {away} & checks.keys()
        assert gateway.get("/health/live").status_code == 200
        for answer in answers.values():
            if answer.status_code == 503 and "checks" not in answer.json():
                assert answer.headers["content-type"] == "application/problem+json"
                assert int(answer.headers["retry-after"]) > 0
        if row["a new order ends"] == "at once":
            settled(order_id)
        elif order.status_code == 202:
            assert gateway.get(f"/orders/{order_id}").json()["status"] == "pending"
    assert eventually(lambda: gateway.get("/health/ready").json()["status"] == "ok", 20)
    assert eventually(lambda: gateway.get(f"/orders/{order_id}").json()["status"] == "confirmed", 20)


def _told(answer):
    """Write an answer as the table does."""
    if answer.request.url.path == "/health/ready":
        return f"{answer.status_code} `{answer.json()['status']}`"
    return f"{answer.status_code}{', with its `Age`' if int(answer.headers.get('age', 0)) else ''}"


@pytest.mark.slow
@pytest.mark.parametrize("outage", ["killed", "frozen"])
def test_the_outage_of_telemetry_takes_no_time_of_requests(outage, gateway, shop, down, adds_up):
    """With the console killed or frozen orders are taken as fast as before."""
    control = _p90(gateway)
    with down("console") if outage == "killed" else frozen(shop.child("console")):
        without = _p90(gateway)
    adds_up()
    # Whoever waited for an export would take seconds; less than one is the noise of a busy machine.
    assert without < control + 1, (without, control)


def _p90(gateway):
    times = []
    for _ in range(20):
        start = time.perf_counter()
        assert gateway.post("/orders", json=BODY).status_code == 202
        times.append(time.perf_counter() - start)
    return quantiles(times, n=10)[-1]


class Load:
    """Customers in threads, each with one connection, who order again as soon as they were answered.

    Attributes:
        taken: Ids of the orders that were taken.
        failed: When each other request began, and what came instead.
    """

    def __init__(self, url):
        self.taken, self.failed = [], []
        self._url = url
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._order) for _ in range(CLIENTS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc):
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _order(self):
        with httpx.Client(base_url=self._url, timeout=20) as client:
            while not self._stopped.is_set():
                began = time.monotonic()
                try:
                    answer = client.post("/orders", json=BODY)
                except httpx.TransportError as error:
                    self.failed.append((began, repr(error)))
                    self._stopped.wait(0.02)
                    continue
                if answer.status_code == 202:
                    self.taken.append(answer.json()["order_id"])
                else:
                    self.failed.append((began, answer.text))


@pytest.mark.slow
def test_the_gateway_that_leaves_answers_what_it_took(shop, gateway, eventually, adds_up):
    """Told to end under load, it says that it leaves, fails no request begun before, and each order it took ends."""
    child = shop.child("gateway")
    with Load(shop.gateway_url) as load:
        eventually(lambda: len(load.taken) > CLIENTS)
        told_at = time.monotonic()
        child.signal(signal.SIGTERM)
        leaving = gateway.get("/health/ready")
        assert (leaving.status_code, leaving.json()["status"]) == (503, "leaving")
        child.process.wait(10)
        ended_after = time.monotonic() - told_at
        child.start()
        child.wait_ready(60)
        taken = len(load.taken)
        eventually(lambda: len(load.taken) > taken + CLIENTS)
    assert [failure for failure in load.failed if failure[0] < told_at] == []
    assert ended_after < 10
    adds_up()
    with httpx.Client(base_url=shop.gateway_url, timeout=20) as client:
        assert {client.get(f"/orders/{order_id}").json()["status"] for order_id in load.taken} == {"confirmed"}


@pytest.mark.slow
def test_replicas_are_replaced_without_a_failed_request(shop, eventually, adds_up):
    """While one replica after the other is told to end and started again, no order is refused, none is left open."""
    with Load(shop.gateway_url) as load:
        for name in ("inventory-1", "payments-1"):
            taken = len(load.taken)
            eventually(lambda taken=taken: len(load.taken) > taken + CLIENTS)
            child = shop.child(name)
            child.signal(signal.SIGTERM)
            assert child.process.wait(10) == 0, child.tail()
            child.start()
            child.wait_ready(60)
    assert load.failed == []
    adds_up()


@pytest.mark.slow
def test_orders_that_leaves_answers_what_it_took(shop, eventually, adds_up):
    """Told to end under load, orders fails no request that it had; later ones are problems, and none is left open."""
    child = shop.child("orders")
    with Load(shop.gateway_url) as load:
        eventually(lambda: len(load.taken) > CLIENTS)
        told_at = time.monotonic()
        child.signal(signal.SIGTERM)
        assert child.process.wait(10) == 0, child.tail()
        child.start()
        child.wait_ready(60)
        taken = len(load.taken)
        eventually(lambda: len(load.taken) > taken + CLIENTS, 20)
    # What was sent half a second before had reached orders; what was sent later may have been on its way to it.
    assert [failure for failure in load.failed if failure[0] < told_at - 0.5] == []
    assert {("service-unavailable" in answer) for _, answer in load.failed} <= {True}, load.failed
    adds_up()
