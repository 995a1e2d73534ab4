"""What several rows read: the console's own API, orders under ids of the caller's, metrics, databases, and outages."""

import asyncio
import secrets
import signal
import sqlite3
import time
from contextlib import closing, contextmanager
from typing import NamedTuple

import httpx
import pytest
from shop.invariants import check
from shop.reliability.stream import Stream
from shop.reliability.wire import Letter

GAUGE = "gauge"


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


@pytest.fixture
def place_order(gateway):
    """Place an order, with headers if need be; return its id at once."""

    def one(customer="ann", **headers):
        body = {"customer_id": customer, "items": [{"sku": "horn", "quantity": 1}]}
        answer = gateway.post("/orders", json=body, headers=headers)
        assert answer.status_code == 202, answer.text
        return answer.json()["order_id"]

    return one


@pytest.fixture
def metric(shop):
    """Return the value of a metric over all processes: counts and counters summed, of gauges the largest; 0 if none.

    Args of the function: the metric's name, and attributes that its points must have.
    """

    def read(name, **wanted):
        wanted = {key.replace("__", "."): value for key, value in wanted.items()}
        answer = httpx.get(f"{shop.console_url}/api/metrics/points", params={"name": name, "limit": 1000}, timeout=10)
        answer.raise_for_status()
        newest = {}
        for point in answer.json()["points"]:
            if wanted.items() <= point["attributes"].items():
                key = (repr(sorted(point["resource"].items())), repr(sorted(point["attributes"].items())))
                if key not in newest or newest[key]["time_ns"] < point["time_ns"]:
                    newest[key] = point
        last = max((point["time_ns"] for point in newest.values()), default=0)
        gauges = [p["value"] for p in newest.values() if p["type"] == GAUGE and last - p["time_ns"] < 5e9]
        sums = [p["count"] if p["type"] == "histogram" else p["value"] for p in newest.values() if p["type"] != GAUGE]
        return max(gauges, default=0) if gauges else sum(sums)

    return read


@pytest.fixture
def exported(console, shop, eventually):
    """Wait until each process of the services that runs has exported what happened before."""

    def instances(since_ns):
        points = console.get("/api/metrics/points", params={"name": "process.memory.usage", "limit": 1000}).json()
        return {p["resource"]["service_instance_id"] for p in points["points"] if p["time_ns"] > since_ns}

    def wait():
        now_ns = time.time_ns()
        running = sum(child.running for child in shop.children if child.name not in ("console", "nats"))
        eventually(lambda: len(instances(now_ns)) >= running)

    return wait


@pytest.fixture
def rows_of(shop):
    """Return the rows of a query to one service's database."""

    def read(service, query, *parameters):
        with closing(sqlite3.connect(shop.databases[service])) as connection:
            return connection.execute(query, parameters).fetchall()

    return read


@pytest.fixture
def down(shop):
    """Kill processes without a word, and start them again after the body."""

    @contextmanager
    def without(*names, number=signal.SIGKILL):
        children = [shop.child(name) for name in names]
        for child in children:
            child.signal(number)
        for child in children:
            child.process.wait(15)
        try:
            yield
        finally:
            for child in children:
                child.start()
            for child in children:
                child.wait_ready(60)

    return without


@pytest.fixture
def broker_away(down, external_broker):
    """Stop the broker, and start it again, with what it had stored, after the body."""

    @contextmanager
    def without():
        if external_broker is None:
            with down("nats"):
                yield
            return
        external_broker.stop()
        try:
            yield
        finally:
            external_broker.start()

    return without


@pytest.fixture
def publish(shop):
    """Publish a body once, as a service does, under a trace of the caller's; on whichever broker the shop has."""

    def send(subject, body, message_id, headers):
        async def once():
            wire = Stream(shop.broker_url, "row").wire
            await wire.broker.start()
            await wire.publish(Letter(subject, message_id, message_id, body, headers))
            await wire.broker.stop()
            await wire.close()

        asyncio.run(once())

    return send


@pytest.fixture
def adds_up(shop, eventually):
    """Wait until all orders are final and the sums over all databases hold."""

    def wait(seconds=60):
        try:
            eventually(lambda: not check(shop.database_urls), seconds)
        except AssertionError:
            assert check(shop.database_urls) == []

    return wait


@pytest.fixture
def new_trace():
    """Return a new trace id and the header that carries it."""
    trace_id = secrets.token_hex(16)
    return trace_id, {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
