"""Reliability patterns as telemetry: each call is a metric and a mark on the current span."""

import pytest
from opentelemetry import metrics

from instrumentation import patterns
from instrumentation.signals.meter import StoreMeterProvider


class Ref:
    store = None


@pytest.fixture
def tell(kit, monkeypatch, plain):
    """Run something in a span; return the span's attributes and events, and all series with a value."""
    ref = Ref()
    ref.store = kit.signals.metrics
    monkeypatch.setattr(metrics, "get_meter", StoreMeterProvider(ref).get_meter)

    def run(act):
        with kit.signals.tracers.get_tracer("t").start_as_current_span("work"):
            act()
        span = kit.decoded_spans()[-1]
        events = [(event.name, plain(event.attributes)) for event in span.events]
        series = {
            (family.name, *sorted(map(str, point.attributes.values()))): (
                sum(point.counts) if hasattr(point, "counts") else point.value
            )
            for family in kit.signals.metrics.snapshot()
            for point in family.points
        }
        return plain(span.attributes), events, series

    return run


def test_a_saga_shows_its_steps_and_its_end(tell):
    """Steps are events, the end is counted by outcome, and the lag is a distribution."""

    def act():
        saga = patterns.Saga("order", ["paying", "releasing"])
        saga.started("o1")
        saga.stepped("o1", ["declined", "released"], "releasing")
        saga.under_way({"paying": 3}, 7.5)
        saga.ended("o1", "compensated", 0.2)

    attributes, events, series = tell(act)
    assert attributes == {
        "clew.saga.name": "order",
        "clew.saga.id": "o1",
        "clew.saga.state": "releasing",
        "clew.saga.outcome": "compensated",
    }
    step = {"clew.saga.name": "order", "clew.saga.id": "o1"}
    assert events == [("clew.saga.step", {**step, "clew.saga.step": name}) for name in ("declined", "released")]
    assert series == {
        ("clew.saga.started", "order"): 1,
        ("clew.saga.ended", "compensated", "order"): 1,
        ("clew.saga.active", "order", "paying"): 3,
        ("clew.saga.active", "order", "releasing"): 0,
        ("clew.saga.oldest.age", "order"): 7.5,
        ("clew.consistency.lag", "compensated", "order"): 1,
    }


def test_an_outbox_shows_what_waits_and_what_went(tell):
    """Depth and age are gauges; stored, published and failed are counted."""

    def act():
        outbox = patterns.Outbox()
        outbox.stored()
        outbox.stored()
        outbox.waiting(2, 1.5)
        outbox.failed()
        outbox.published(0.1)
        outbox.marked(1)

    _, _, series = tell(act)
    assert series == {
        ("clew.outbox.stored",): 2,
        ("clew.outbox.depth",): 2,
        ("clew.outbox.oldest.age",): 1.5,
        ("clew.outbox.failures",): 1,
        ("clew.outbox.delay",): 1,
        ("clew.outbox.published",): 1,
    }


def test_what_comes_twice_is_counted_and_marked(tell):
    """Duplicates, replays and conflicts are counted by outcome and stand on the span."""

    def act():
        inbox, keys = patterns.Inbox(), patterns.Idempotency("charge")
        inbox.admitted()
        inbox.duplicate()
        keys.first()
        keys.conflict()
        keys.replayed()

    attributes, _, series = tell(act)
    assert attributes == {
        "clew.inbox.outcome": "duplicate",
        "clew.idempotency.operation": "charge",
        "clew.idempotency.outcome": "replayed",
    }
    assert series == {
        ("clew.inbox.messages", "admitted"): 1,
        ("clew.inbox.messages", "duplicate"): 1,
        **{("clew.idempotency.requests", "charge", outcome): 1 for outcome in ("first", "conflict", "replayed")},
    }


def test_dead_letters_and_backlog_name_the_destination(tell):
    """A message put aside and a backlog are series of the destination."""

    def act():
        patterns.DeadLetters().put_aside("orders.created", 3)
        patterns.Backlog("nats").waiting("orders.created", "inventory", 5)

    attributes, _, series = tell(act)
    assert attributes == {"clew.dead_letter": True, "messaging.message.delivery_count": 3}
    assert series == {
        ("clew.dead_letter.messages", "orders.created"): 1,
        ("clew.messaging.backlog", "inventory", "nats", "orders.created"): 5,
    }
