"""Row 11: business metrics, from a declared registry of few series. See also tests/test_business.py."""

import pytest

SKUS = {"thread-red", "thread-gold", "lamp-clay", "map-knossos", "sandals", "horn", "sail-white", "wings-wax"}


def test_each_business_metric_appears_with_what_happened(place_order, settled, metric, exported, eventually):
    """One confirmed and one declined order move exactly the metrics that tell of them, by the right amounts."""
    watched = {
        "placed": lambda: metric("shop.orders.placed"),
        "confirmed": lambda: metric("shop.orders.settled", outcome="confirmed"),
        "cancelled": lambda: metric("shop.orders.settled", outcome="cancelled"),
        "failed": lambda: metric("shop.orders.failed", cause="payment"),
        "compensated": lambda: metric("shop.orders.compensated"),
        "revenue": lambda: metric("shop.revenue"),
        "reserved": lambda: metric("shop.inventory.reservations", outcome="reserved"),
        "charged": lambda: metric("shop.payments.decided", outcome="charged"),
        "declined": lambda: metric("shop.payments.decided", outcome="declined"),
    }
    exported()
    before = {name: read() for name, read in watched.items()}
    settled(place_order())
    settled(place_order("declined-bob"))
    expected = {
        "placed": 2,
        "confirmed": 1,
        "cancelled": 1,
        "failed": 1,
        "compensated": 1,
        "revenue": 1780,
        "reserved": 2,
        "charged": 1,
        "declined": 1,
    }
    eventually(lambda: {name: read() - before[name] for name, read in watched.items()} == expected)


@pytest.mark.slow
def test_stock_is_a_series_for_each_product_and_none_for_an_order(
    metric, metric_points, console, place_order, settled, exported, eventually
):
    """The stock level has one series per product of the catalogue; no metric has a customer's or an order's id."""
    order_id = place_order("business-ann")
    settled(order_id)
    assert eventually(lambda: all(metric("shop.inventory.stock", sku=sku) > 0 for sku in SKUS))
    exported()
    names = [known["name"] for known in console.get("/api/metrics").json()["metrics"]]
    assert {"shop.orders.placed", "shop.revenue"} <= set(names)
    points = [point for name in names for point in metric_points(name, limit=200)]
    labels = {str(value) for point in points for value in point["attributes"].values()}
    assert labels >= SKUS
    assert labels & {order_id, "business-ann"} == set()
