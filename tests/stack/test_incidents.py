"""Three incidents, caused for real: the expected alert fires, and no other.

Hours would pass until a burn-rate alert fires, so Prometheus runs on the committed rules with every window, waiting
time and interval divided by QUICK (`python -m mixin.generate --quick`); names, expressions and thresholds are the same.
What cannot be quickened, as the broker client's timeout of 5 s, makes the alerts come relatively later than in earnest.
"""

import threading
import time

import httpx
import pytest
from freezing import frozen
from quick_stack import LOAD_RATE, Scene, quick_plan, sending_to
from shop.child import stop_all
from shop.runner import Plan, Shop
from shop.scenarios.scenario import QUICK

from stack.native import Backends

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400), pytest.mark.xdist_group("stack")]

CALM_WITHIN_SECONDS = 120
DETECT_SECONDS = 90
WATCH_SECONDS = 10
"""How long nothing else may fire after the expected alert does."""


@pytest.fixture
def scene(tmp_path):
    """The shop under load on backends of its own with quick rules; ready when nothing fires."""
    with Backends(quick_plan(tmp_path)) as backends:
        own = {"payments": {"DECLINE_SHARE": "0.05"}, "inventory": {"STOCK_PIECES": "1000000"}}
        plan = Plan(
            tmp_path / "shop",
            console=False,
            replicas=2,
            environment=sending_to(backends),
            service_environment=own,
        )
        with Shop(plan) as shop, shop.load(LOAD_RATE):
            found = Incident(shop, backends)
            found.wait_until_calm(CALM_WITHIN_SECONDS)
            yield found
            found.reader.close()


class Incident(Scene):
    """A scene on which something happens."""

    def fired_after(self, expected):
        """Wait for the expected alert, then watch on; return all that fired and the seconds until the expected did."""
        began = time.monotonic()
        fired = set()
        while not any(name == expected for name, _ in fired):
            assert time.monotonic() - began < DETECT_SECONDS, f"{expected} did not fire, only {fired}"
            time.sleep(0.5)
            fired |= self.firing()
        seconds = time.monotonic() - began
        while time.monotonic() - began < seconds + WATCH_SECONDS:
            time.sleep(0.5)
            fired |= self.firing()
        return fired, seconds


def report(what, alert, seconds, record_property):
    """Keep the time to detection, quick and in earnest."""
    record_property("seconds_to_detect", round(seconds, 1))
    print(f"\n{what}: {alert} after {seconds:.0f} s with windows divided by {QUICK}")


def test_payments_that_decline_fire_orders_cancelled_alone(scene, record_property):
    """Payments decline most customers: orders are placed as ever, and cancelled."""
    over = threading.Event()

    def order():
        with httpx.Client(base_url=scene.shop.gateway_url, timeout=10) as gateway:
            sku = gateway.get("/products").json()["products"][0]["sku"]
            body = {"customer_id": "declined-1", "items": [{"sku": sku, "quantity": 1}]}
            while not over.wait(1 / (2 * LOAD_RATE)):
                gateway.post("/orders", json=body)

    thread = threading.Thread(target=order)
    thread.start()
    try:
        fired, seconds = scene.fired_after("OrdersCancelled")
    finally:
        over.set()
        thread.join()
    assert {name for name, _ in fired} == {"OrdersCancelled"}, fired
    report("payments failing", "OrdersCancelled", seconds, record_property)


def test_a_broker_that_stopped_fires_messages_not_published_alone(scene, record_property):
    """The broker is stopped under load."""
    stop_all([scene.shop.child("nats")], 10)
    fired, seconds = scene.fired_after("MessagesNotPublished")
    assert {name for name, _ in fired} == {"MessagesNotPublished"}, fired
    report("broker stopped", "MessagesNotPublished", seconds, record_property)


def test_latency_fires_the_fast_burn_alone(scene, record_property):
    """Orders stands still for more than half of each second, so that whoever places or reads an order waits for it."""
    over = threading.Event()
    orders = scene.shop.replicas("orders")

    def stutter():
        while not over.is_set():
            with frozen(*orders):
                over.wait(0.55)
            over.wait(0.45)

    thread = threading.Thread(target=stutter)
    thread.start()
    try:
        fired, seconds = scene.fired_after("SloBudgetBurnsFast")
    finally:
        over.set()
        thread.join()
    assert {name for name, _ in fired} == {"SloBudgetBurnsFast"}, fired
    assert {slo for _, slo in fired} <= {"place-order-latency", "read-order-latency"}, fired
    report("latency", "SloBudgetBurnsFast", seconds, record_property)
