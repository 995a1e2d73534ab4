"""Row 21: outbox. A crash between publishing and marking, in the small: tests/shop/reliability/test_relay.py."""

import sqlite3
import time
from contextlib import closing

import pytest

pytestmark = pytest.mark.timeout(300)
ORDERS = 10


@pytest.mark.slow
@pytest.mark.parametrize("outage_seconds", [pytest.param(0), pytest.param(60, marks=pytest.mark.slow)])
def test_the_broker_s_outage_loses_nothing(
    outage_seconds, place_order, broker_away, metric, exported, eventually, adds_up, rows_of
):
    """Without the broker orders are taken and the outbox grows; afterwards it drains, and count in = count out."""

    def unpublished():
        return metric("clew.outbox.stored") - metric("clew.outbox.published")

    adds_up()
    place_order()
    adds_up()
    exported()
    lost = unpublished()  # what processes that were killed by other tests did not tell any more
    counts = "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM outbox WHERE sent_at_ns IS NOT NULL)"
    ((before, _),) = rows_of("orders", counts)
    with broker_away():
        end = time.monotonic() + outage_seconds
        ids = [place_order() for _ in range(ORDERS)]
        assert eventually(lambda: metric("clew.outbox.depth") >= ORDERS, 20)
        assert eventually(lambda: metric("clew.outbox.failures") > 0, 20)
        time.sleep(max(0.0, end - time.monotonic()))  # the outage itself
        assert metric("clew.outbox.oldest.age") >= outage_seconds / 2
        ((waiting,),) = rows_of("orders", "SELECT count(*) FROM outbox WHERE sent_at_ns IS NULL")
        assert waiting >= ORDERS
    adds_up(120)
    eventually(lambda: metric("clew.outbox.depth") == 0, 20)
    eventually(lambda: unpublished() == lost, 20)
    ((stored, sent),) = rows_of("orders", counts)
    assert stored == sent > before + ORDERS
    marks = ",".join("?" * ORDERS)
    decided = rows_of("inventory", f"SELECT count(*) FROM decisions WHERE order_id IN ({marks})", *ids)
    assert decided == [(ORDERS,)]


@pytest.mark.slow
def test_what_is_published_twice_has_its_effect_once(
    shop, place_order, settled, metric, exported, eventually, adds_up, rows_of, publish
):
    """Published and not marked, a message goes out again; one that arrives twice is absorbed, and counted as such."""
    order_id = place_order()
    settled(order_id)
    adds_up()
    query = "SELECT row_id, body FROM outbox WHERE about = ? AND subject = 'orders.created'"
    ((row_id, body),) = rows_of("orders", query, order_id)
    with closing(sqlite3.connect(shop.databases["orders"], timeout=10)) as connection, connection:
        connection.execute("UPDATE outbox SET sent_at_ns = NULL WHERE row_id = ?", (row_id,))
    eventually(lambda: not rows_of("orders", "SELECT 1 FROM outbox WHERE sent_at_ns IS NULL"))
    exported()
    before = metric("clew.inbox.messages", clew__inbox__outcome="duplicate")
    # Under another id, so that a broker that drops what it has had takes it for new.
    publish("orders.created", body.encode(), f"again-{order_id}", {})
    eventually(lambda: metric("clew.inbox.messages", clew__inbox__outcome="duplicate") == before + 1)
    adds_up()
    assert rows_of("inventory", "SELECT sum(quantity) FROM reservations WHERE order_id = ?", order_id) == [(1,)]
