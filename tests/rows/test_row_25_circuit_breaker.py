"""Row 25: circuit breaker, in the running shop. Its states one by one, and that it is fast: tests/shop/gateway/."""

import pytest

pytestmark = pytest.mark.timeout(240)
INVENTORY = {"clew__breaker__name": "inventory"}


@pytest.mark.slow
def test_without_inventory_the_breaker_opens_the_catalogue_answers_and_a_probe_closes_it(
    place_order, down, metric, eventually, backend, new_trace, adds_up
):
    """Closed to open within five failures; refused calls fall back and make no request; the first success closes it."""

    def state(name):
        return metric("clew.breaker.state", **INVENTORY, clew__breaker__state=name)

    def asks():
        return metric("clew.breaker.fallbacks", **INVENTORY, clew__breaker__fallback="catalogue")

    place_order()
    eventually(lambda: state("closed") == 1)
    opened = metric("clew.breaker.transitions", **INVENTORY, clew__breaker__state="open")
    with down("inventory-1", "inventory-2"):
        for _ in range(8):
            place_order()
        eventually(lambda: metric("clew.breaker.transitions", **INVENTORY, clew__breaker__state="open") > opened)
        eventually(lambda: asks() >= 8)
        rejected = eventually(lambda: _refused(backend, place_order, new_trace))
        assert rejected.attributes["clew.breaker.fallback"] == "catalogue"
    eventually(lambda: place_order() and state("closed") == 1, 30)
    assert metric("clew.breaker.rejected", **INVENTORY) > 0
    adds_up()


def _refused(backend, place_order, new_trace):
    """Place an order; return the gateway's span of it if inventory was not called at all."""
    trace_id, header = new_trace
    place_order(**header)
    spans = backend.trace(trace_id)
    calls = [span for span in spans if span.name == "shop.inventory.v1.Inventory/CheckAvailability"]
    refused = [span for span in spans if "clew.breaker.fallback" in span.attributes]
    return refused[-1] if refused and not calls else None


@pytest.mark.slow
def test_without_orders_the_gateway_says_so_at_once(gateway, down, metric, eventually, place_order):
    """What has no fallback is answered with 503 and when to come again, and the dependency is left alone."""
    body = {"customer_id": "ann", "items": [{"sku": "horn", "quantity": 1}]}
    orders = {"clew__breaker__name": "orders"}
    before = metric("clew.breaker.rejected", **orders)
    with down("orders"):
        answers = [gateway.post("/orders", json=body) for _ in range(10)]
        assert {(answer.status_code, answer.headers.get("retry-after")) for answer in answers} == {(503, "1")}
        eventually(lambda: metric("clew.breaker.rejected", **orders) > before)
    eventually(lambda: gateway.post("/orders", json=body).status_code == 202, 30)
