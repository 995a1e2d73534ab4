"""Three incidents, caused for real: the expected alert fires, and no other.

Hours would pass until a burn-rate alert fires, so Prometheus runs on the committed rules with every window, waiting
time and interval divided by QUICK (`python -m mixin.generate --quick`); names, expressions and thresholds are the same.
What cannot be quickened, as the broker client's timeout of 5 s, makes the alerts come relatively later than in earnest.
"""

import os
import shutil
import signal
import threading
import time
from pathlib import Path

import httpx
import pytest
from shop.child import stop_all
from shop.runner import Plan as ShopPlan
from shop.runner import Shop

from mixin.generate import main as generate
from stack.native import Backends, Plan
from stack.reader import Reader

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400), pytest.mark.xdist_group("stack")]

ROOT = Path(__file__).parents[2]
QUICK = 30
LOAD_RATE = 5.0
CALM_SECONDS = 12
"""How long nothing may fire before anything is broken."""
DETECT_SECONDS = 90
WATCH_SECONDS = 15
"""How long nothing else may fire after the expected alert does."""


@pytest.fixture
def scene(tmp_path):
    """The shop under load on backends of its own with quick rules; ready when nothing fires."""
    for name in ("collector", "prometheus", "loki", "tempo"):
        shutil.copytree(ROOT / name, tmp_path / "configuration" / name)
    prometheus = tmp_path / "configuration/prometheus"
    assert generate(["--quick", str(QUICK), "--to", str(prometheus / "rules")]) == 0
    settings = (prometheus / "prometheus.yml").read_text()
    for usual, quick in (
        ("rule_query_offset: 10s", "rule_query_offset: 2s"),
        ("scrape_interval: 15s", "scrape_interval: 2s"),
    ):
        assert usual in settings
        settings = settings.replace(usual, quick)
    (prometheus / "prometheus.yml").write_text(settings)
    with Backends(Plan(tmp_path / "backends", tmp_path / "configuration")) as backends:
        sending = {
            "OTEL_SDK_DISABLED": "false",
            "OTEL_EXPORTER_OTLP_ENDPOINT": backends.otlp_url,
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        }
        own = {"payments": {"DECLINE_SHARE": "0.05"}, "inventory": {"STOCK_PIECES": "1000000"}}
        plan = ShopPlan(tmp_path / "shop", console=False, replicas=2, environment=sending, service_environment=own)
        with Shop(plan) as shop, shop.load(LOAD_RATE):
            found = Scene(shop, Reader(backends.traces_url, backends.url("loki"), backends.url("prometheus")))
            found.wait_until_calm()
            yield found
            found.reader.close()


class Scene:
    """The shop, and what Prometheus says of it."""

    def __init__(self, shop, reader):
        self.shop = shop
        self.reader = reader

    def firing(self):
        """Return the names of the alerts that fire now, with the SLO where they have one."""
        found = self.reader.metrics('ALERTS{alertstate="firing"}')
        return {(labels["alertname"], labels.get("slo", "")) for labels, _ in found}

    def wait_until_calm(self):
        """Wait until the shop is seen, orders end, and nothing has fired for a while."""
        deadline = time.monotonic() + 120
        calm_since = time.monotonic()
        while time.monotonic() - calm_since < CALM_SECONDS:
            seen = self.reader.metrics('rate(shop_orders_settled_total{outcome="confirmed"}[10s]) > 0')
            if self.firing() or not seen:
                calm_since = time.monotonic()
            assert time.monotonic() < deadline, f"never calm: {self.firing()}"
            time.sleep(0.5)

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
    """Both instances of inventory stand still for more than half of each second."""
    over = threading.Event()
    inventory = [scene.shop.child(name) for name in ("inventory-1", "inventory-2")]

    def stutter():
        while not over.is_set():
            for child in inventory:
                os.kill(child.pid, signal.SIGSTOP)
            over.wait(0.55)
            for child in inventory:
                os.kill(child.pid, signal.SIGCONT)
            over.wait(0.45)

    thread = threading.Thread(target=stutter)
    thread.start()
    try:
        fired, seconds = scene.fired_after("SloBudgetBurnsFast")
    finally:
        over.set()
        thread.join()
    assert {name for name, _ in fired} == {"SloBudgetBurnsFast"}, fired
    assert ("SloBudgetBurnsFast", "list-products-latency") in fired
    assert all(slo.endswith("-latency") for _, slo in fired), fired
    report("latency", "SloBudgetBurnsFast", seconds, record_property)
