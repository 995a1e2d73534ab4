"""Row 16: queues, on the broker that `--broker` chooses. Each promise in the small, on all of them: tests/brokers/."""

import asyncio
import sqlite3
from contextlib import closing

import pytest
from faststream import Context
from shop.contracts.events import READERS
from shop.reliability.stream import Stream

pytestmark = pytest.mark.timeout(240)
GROUP = {"messaging__consumer__group__name": "payments-inventory-reserved"}
ORDERS = 40
HEADERS = Context("message.headers")


HANDLED = {
    ("orders", "PRODUCER", "publish orders.created"),
    ("inventory", "CONSUMER", "process orders.created"),
    ("payments", "CONSUMER", "process inventory.reserved"),
}
"""Each service sends its spans on its own."""


def test_one_event_is_handled_by_inventory_and_payments_in_its_trace(
    place_order, settled, backend, eventually, new_trace
):
    """OrderCreated is published once; inventory handles it, payments what follows, all in the order's trace."""
    trace_id, header = new_trace
    settled(place_order(**header))

    def handled():
        spans = [(span.service, span.kind, span.name) for span in backend.trace(trace_id)]
        return spans if set(spans) >= HANDLED else None

    spans = eventually(handled)
    assert spans.count(("orders", "PRODUCER", "publish orders.created")) == 1
    assert spans.count(("inventory", "CONSUMER", "process orders.created")) == 1


def test_what_waits_for_each_group_of_readers_is_a_metric(metric_points, eventually):
    """The backlog is told for each group that the contracts name, and for no other."""

    def told():
        places = [point["attributes"] for point in metric_points("clew.messaging.backlog")]
        return {(place["messaging.destination.name"], place["messaging.consumer.group.name"]) for place in places}

    expected = {(subject, group) for subject, groups in READERS.items() for group in groups}
    assert eventually(lambda: {pair for pair in told() if not pair[1].startswith("reader-")} == expected, 20)


@pytest.mark.slow
def test_what_a_stopped_consumer_leaves_shows(place_order, shop, metric, eventually, adds_up):
    """While payments cannot store, and so handles nothing, the gauge of what waits for it rises; then it falls to 0."""
    adds_up()
    eventually(lambda: metric("clew.messaging.backlog", **GROUP) == 0, 20)
    with closing(sqlite3.connect(shop.databases["payments"], timeout=10, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for _ in range(ORDERS):
            place_order()
        eventually(lambda: metric("clew.messaging.backlog", **GROUP) > 0, 30)
        connection.execute("ROLLBACK")
    adds_up(120)
    eventually(lambda: metric("clew.messaging.backlog", **GROUP) == 0, 20)


def test_how_old_messages_are_is_a_distribution(place_order, settled, metric, exported):
    """Each message adds one observation of its age when its handling began."""
    exported()
    before = metric("clew.messaging.message.age")
    settled(place_order())
    exported()
    assert metric("clew.messaging.message.age") > before


def test_a_poison_message_is_put_aside_with_its_trace(
    shop, publish, metric, exported, backend, eventually, new_trace, place_order, settled
):
    """A message that does not fit is counted and can be read in the dead-letter queue, with its trace; others go on."""
    trace_id, header = new_trace
    exported()
    before = metric("clew.dead_letter.messages")
    found = asyncio.run(
        _dead_letter(shop.broker_url, trace_id, lambda: publish("orders.created", b'"poison"', trace_id, header))
    )
    assert found == "ValidationError"
    eventually(lambda: metric("clew.dead_letter.messages") == before + 1)
    spans = eventually(lambda: _with(backend.trace(trace_id), "publish dead.orders.created"))
    ((handling,),) = [[span for span in spans if span.name == "process orders.created"]]
    assert (handling.service, handling.attributes["clew.dead_letter"]) == ("inventory", True)
    assert settled(place_order())["status"] == "confirmed"


def _with(spans, name):
    return spans if any(span.name == name for span in spans) else None


async def _dead_letter(url, trace_id, publish):
    """Read the dead letters until one of a trace comes; return why it died."""
    stream = Stream(url, f"reader-{trace_id[:8]}")
    reasons = asyncio.Queue()

    @stream.subscriber("dead.orders.created")
    async def look(body: str, headers: dict = HEADERS) -> None:
        if headers.get("traceparent", "")[3:35] == trace_id:
            reasons.put_nowait(headers["dead-reason"])

    async with stream:
        await asyncio.to_thread(publish)
        return await asyncio.wait_for(reasons.get(), 60)
