"""A run of the whole shop with failures of every kind and a canary that is judged, and everything it emitted."""

import sqlite3
import time

import httpx
import pytest
from shop.child import stop_all
from shop.runner import VERSION, Plan, Shop
from shop.scenarios.stage import publish_poison

from mixin.contract.emitted import of_otlp, plain

LOAD_RATE = 15.0
CANARY = "99.0.0"
WAIT_SECONDS = 90

HEALTHY = (
    ("orders", "shop.orders.settled", {"outcome": "confirmed"}),
    ("orders", "shop.orders.settled", {"outcome": "cancelled"}),
    ("payments", "shop.payments.decided", {"outcome": "declined"}),
    ("notifications", "messaging.process.duration", {}),
    ("gateway", "http.server.request.duration", {"http.route": "/orders/{order_id}"}),
)
"""What must have been emitted before anything is broken: service, metric, attributes."""


class Run:
    """The shop, sending to a receiver that keeps all."""

    def __init__(self, directory, sink, **environment):
        self.sink = sink
        self.plan = Plan(
            directory,
            console=False,
            replicas=1,
            canaries={"inventory": CANARY},
            environment={
                "OTEL_SDK_DISABLED": "false",
                "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
                "OTEL_METRIC_EXPORT_INTERVAL": "500",
                **environment,
            },
            service_environment={"payments": {"DECLINE_SHARE": "0.3"}},
        )

    def emitted(self):
        """Run the shop with load and failures; return what it emitted."""
        with Shop(self.plan) as shop, shop.load(LOAD_RATE):
            self.wait_for(*HEALTHY)
            try_canary(shop)
            self.wait_for(
                ("gateway", "clew.target.call.duration", {"clew.target.version": CANARY}),
                ("gateway", "clew.canary.verdicts", {"clew.canary.verdict": "promote"}),
            )
            publish_poison(shop.broker_url, "orders.created")
            self.wait_for(("inventory", "clew.dead_letter.messages", {}))
            break_table(shop.databases["payments"], "payments")
            self.wait_for(("payments", "messaging.process.duration", FAILED))
            stop_all([shop.child("nats")], 5)
            self.wait_for(("orders", "messaging.client.sent.messages", FAILED))
            break_table(shop.databases["inventory"], "products")
            self.wait_for(
                ("inventory", "rpc.server.call.duration", FAILED),
                ("gateway", "http.server.request.duration", FAILED),
                ("gateway", "clew.target.call.duration", FAILED),
            )
            stop_all([shop.child("inventory"), shop.child("inventory-canary")], 5)
            self.wait_for(
                *[
                    ("gateway", f"clew.{name}", {})
                    for name in ("retry.resends", "breaker.rejected", "breaker.fallbacks")
                ]
            )
            stop_all([shop.child("orders")], 5)
            self.wait_for(("load", "clew.retry.calls", {"clew.retry.outcome": "budget"}))
        return of_otlp(self.sink.resources("metrics"), self.sink.resources("logs"), self.sink.resources("traces"))

    def wait_for(self, *wanted):
        """Wait until there is a point of each metric of each service with these attributes; None is any value."""
        deadline = time.monotonic() + WAIT_SECONDS
        while missing := [each for each in wanted if not self.has(*each)]:
            assert time.monotonic() < deadline, f"not emitted: {missing}"
            time.sleep(0.2)

    def has(self, service, name, attributes):
        """Tell whether the newest points hold such a one; counters never lose a series."""
        for resource, _, metric in self.sink.resources("metrics", newest=30):
            if metric.name == name and plain(resource.attributes)["service.name"] == service:
                for point in getattr(metric, metric.WhichOneof("data")).data_points:
                    found = plain(point.attributes)
                    if all(key in found and value in (None, found[key]) for key, value in attributes.items()):
                        return True
        return False


FAILED = {"error.type": None}


def try_canary(shop):
    """Give the canary half of the calls, and say how it was judged: both ways, as the names are asked for."""
    headers = {"Authorization": f"Bearer {shop.admin_token}"}
    with httpx.Client(base_url=shop.doors["gateway"], headers=headers) as door:
        door.put("/weights/inventory", json={VERSION: 50, CANARY: 50}).raise_for_status()
        for verdict, reason in (("rollback", "failures"), ("promote", "held")):
            told = {"version": CANARY, "verdict": verdict, "reason": reason}
            door.put("/verdicts/inventory", json=told).raise_for_status()


def break_table(path, table):
    """Take a table away, so that whoever needs it fails."""
    with sqlite3.connect(path, timeout=5) as connection:
        connection.execute(f"ALTER TABLE {table} RENAME TO {table}_gone")
    connection.close()


@pytest.fixture(scope="session")
def run_shop(tmp_path_factory, make_otlp_sink):
    """Run the shop with more environment, and return what it emitted."""

    def run(**environment):
        sink = make_otlp_sink()
        try:
            return Run(tmp_path_factory.mktemp("contract"), sink, **environment).emitted()
        finally:
            sink.close()

    return run


@pytest.fixture(scope="session")
def emitted(run_shop):
    """What a run of the shop emitted."""
    return run_shop()
