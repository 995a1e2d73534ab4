"""Row 12, health and bottlenecks at a glance: every panel has data when the shop runs on the stack."""

import math
import time
from pathlib import Path

import httpx
import pytest
from freezing import frozen
from shop.runner import VERSION
from shop.scenarios.stage import Stage, publish_poison

from mixin import infrastructure as of
from mixin.contract.check import of_backends, recorded
from mixin.contract.place import dashboards, datasources, places
from mixin.contract.reading import read
from stack.fixtures import CANARY

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400), pytest.mark.xdist_group("stack")]

ROOT = Path(__file__).parents[2]
CHOSEN = {
    "$__rate_interval": "1m",
    "$__range": "30m",
    "$service": ".+",
    "$version": ".*",
    "$instance": ".*",
    "$slo": ".*",
    "$target": ".*",
    "{${__tags}}": '{service_name=~".+"}',
    "{$__tags}": '{service_name=~".+"}',
}
"""What Grafana fills in when nothing has been chosen."""
WITHOUT_INVENTORY = ("clew_retry_resends_total", "clew_breaker_rejected_total", "clew_breaker_fallbacks_total")
"""What the gateway tells while inventory is away."""
WAIT_SECONDS = 150
"""The budgets are computed once a minute."""


def filled_in(query):
    """Return a query as Grafana sends it."""
    for variable, value in CHOSEN.items():
        query = query.replace(variable, value)
    return query


@pytest.fixture(scope="module")
def busy(stack_load, stack_shop, stack_reader):
    """The shop under load, with a canary that was judged, a message that nobody can read, and services that were away.

    Without orders a request failed; without inventory the gateway answered from elsewhere.
    """
    headers = {"Authorization": f"Bearer {stack_shop.admin_token}"}
    with httpx.Client(base_url=stack_shop.doors["gateway"], headers=headers) as door:
        door.put("/weights/inventory", json={VERSION: 50, CANARY: 50}).raise_for_status()
        told = {"version": CANARY, "verdict": "promote", "reason": "held"}
        door.put("/verdicts/inventory", json=told).raise_for_status()
    publish_poison(stack_shop.broker_url, "orders.created")
    with httpx.Client(base_url=stack_shop.gateway_url, timeout=30) as gateway:
        with frozen(*stack_shop.replicas("orders")):
            assert gateway.get("/orders/none").is_server_error
        with Stage(stack_shop).without("inventory"):
            deadline = time.monotonic() + WAIT_SECONDS
            while missing := [name for name in WITHOUT_INVENTORY if not stack_reader.metrics(name)]:
                assert time.monotonic() < deadline, f"the gateway does not tell {missing}"
                gateway.get("/products")
                time.sleep(0.1)
    return stack_shop


def needs_tempo(place):
    """Tell whether a query looks at what Tempo says of itself."""
    return any(reference.name.startswith(("tempo_", "traces_")) for reference in read(place))


def has_data(reader, place):
    """Ask the backend that the panel asks."""
    query = filled_in(place.text)
    if place.language == "promql":
        return any(math.isfinite(value) for _, value in reader.metrics(query))
    return bool(reader.logs(query, 1) if place.language == "logql" else reader.search(query))


def test_every_panel_has_data(busy, stack, stack_reader):
    """0 panels, variables, links and datasource queries without data; Tempo's own only where Tempo runs."""
    asked = {place.where: place for place in [*dashboards(ROOT), *datasources(ROOT)] if place.language in LANGUAGES}
    without_tempo = "tempo" in stack.skipped
    left = {where: place for where, place in asked.items() if not (without_tempo and needs_tempo(place))}
    left = {where: place for where, place in left.items() if "__trace" not in place.text}
    assert len(left) > 100
    deadline = time.monotonic() + WAIT_SECONDS
    while left:
        left = {where: place for where, place in left.items() if not has_data(stack_reader, place)}
        assert not left or time.monotonic() < deadline, "\n".join(left)
        time.sleep(1)


LANGUAGES = {"promql", "logql", "traceql"}
WITH_THE_FIRST_LOSS = {of.COLLECTOR_FAILED_SPANS, of.COLLECTOR_FAILED_LOGS, of.COLLECTOR_FAILED_POINTS}
"""Series that the Collector has only once it gave something up."""


def test_prometheus_names_what_we_name(busy, stack, stack_reader):
    """Prometheus translates every OTLP name as the kit does, and the backends call their own metrics as panels do."""
    there = {labels["__name__"] for labels in stack_reader.series('{__name__!=""}')}
    made_by_rules = set(recorded(ROOT))
    wanted = {
        reference.name
        for place in places(ROOT)
        if place.language == "promql"
        for reference in read(place)
        if not ("tempo" in stack.skipped and reference.name.startswith(("tempo_", "traces_")))
    }
    assert wanted - there - made_by_rules - WITH_THE_FIRST_LOSS == set()
    assert any(of_backends(name) for name in wanted)
    assert made_by_rules - {"ALERTS"} <= there
