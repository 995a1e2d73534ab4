"""Row 17: an order's acceptance does not wait for those who react to it."""

from statistics import quantiles
from time import perf_counter

import pytest

pytestmark = [pytest.mark.timeout(240)]
ORDERS = 40
GROUP = {"messaging__consumer__group__name": "payments-inventory-reserved"}


def p95(place_order):
    """Place orders one after another; return the 95th percentile of the time until each 202, in seconds."""
    times = []
    for _ in range(ORDERS):
        start = perf_counter()
        place_order()
        times.append(perf_counter() - start)
    return quantiles(times, n=20)[-1]


@pytest.mark.slow
def test_orders_are_as_fast_without_payments_and_the_backlog_shows(place_order, down, metric, eventually, adds_up):
    """With all of payments killed orders are taken as fast as before; what waits shows, and drains after."""
    p95(place_order)  # warm
    control = p95(place_order)
    adds_up()
    eventually(lambda: metric("clew.messaging.backlog", **GROUP) == 0)
    with down("payments-1", "payments-2"):
        without = p95(place_order)
        assert eventually(lambda: metric("clew.messaging.backlog", **GROUP) >= ORDERS, 20)
        assert eventually(lambda: metric("clew.saga.active", clew__saga__state="awaiting_payment") >= ORDERS, 20)
    adds_up()
    eventually(lambda: metric("clew.messaging.backlog", **GROUP) == 0, 20)
    # Whoever waited for payments would wait until they are back; less than a second is the scheduler's noise.
    assert without < control + 1, (without, control)
