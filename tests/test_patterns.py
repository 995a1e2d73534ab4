"""Reliability patterns as telemetry: each call is a metric and a mark on the current span."""

import pytest

from instrumentation import patterns


@pytest.fixture
def tell(pattern_kit, plain, series_of):
    """Run something in a span; return the span's attributes and events, and all series with a value."""

    def run(act):
        with pattern_kit.signals.tracers.get_tracer("t").start_as_current_span("work"):
            act()
        span = pattern_kit.decoded_spans()[-1]
        events = [(event.name, plain(event.attributes)) for event in span.events]
        return plain(span.attributes), events, series_of(pattern_kit)

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


def test_a_breaker_shows_its_state_its_changes_and_what_it_refused(tell):
    """The state is a gauge per state; changes, refusals and fallbacks are counted, and stand on the span."""

    def act():
        breaker = patterns.Breaker("inventory")
        breaker.changed("closed")
        breaker.changed("open")
        breaker.rejected()
        breaker.fell_back("catalogue")

    attributes, events, series = tell(act)
    name = {"clew.breaker.name": "inventory"}
    assert attributes == {**name, "clew.breaker.fallback": "catalogue"}
    change = {**name, "clew.breaker.state": "open", "clew.breaker.previous_state": "closed"}
    assert events == [("clew.breaker.transition", change), ("clew.breaker.rejected", name)]
    assert series == {
        ("clew.breaker.state", "closed", "inventory"): 0,
        ("clew.breaker.state", "inventory", "open"): 1,
        ("clew.breaker.state", "half_open", "inventory"): 0,
        ("clew.breaker.transitions", "inventory", "open"): 1,
        ("clew.breaker.rejected", "inventory"): 1,
        ("clew.breaker.fallbacks", "catalogue", "inventory"): 1,
    }


def test_a_retry_shows_its_pauses_and_why_it_gave_up(tell):
    """Calls are counted by outcome and attempts beyond the first apart; a pause is an event, giving up an attribute."""

    def act():
        retry = patterns.Retry("shop")
        retry.budget(3.5)
        with retry.attempt(0):
            pass
        retry.waits(1, 0.25, OSError("away"))
        with retry.attempt(1):
            pass
        retry.ended("budget")

    attributes, events, series = tell(act)
    name = {"clew.retry.name": "shop"}
    assert attributes == {**name, "clew.retry.outcome": "budget"}
    wait = {**name, "clew.retry.resend": 1, "clew.retry.delay": 0.25, "error.type": "OSError"}
    assert events == [("clew.retry.wait", wait)]
    assert series == {
        ("clew.retry.budget", "shop"): 3.5,
        ("clew.retry.resends", "shop"): 1,
        ("clew.retry.calls", "budget", "shop"): 1,
    }


def test_targets_show_how_many_there_are_and_who_is_picked(tell):
    """The number of replicas is a gauge, the picks are counted by address."""

    def act():
        targets = patterns.Targets("inventory")
        targets.known(2)
        targets.picked("10.0.0.1:50052")

    _, _, series = tell(act)
    assert series == {
        ("clew.target.known", "inventory"): 2,
        ("clew.target.picked", "10.0.0.1:50052", "inventory"): 1,
    }


def test_versions_of_targets_have_their_weight_and_the_calls_that_they_got(tell):
    """Weights are shares, 0 once a version is left out; calls are counted by version, failed ones with their error."""

    def act():
        targets = patterns.Targets("inventory")
        targets.weighed({"1.0": 0.95, "1.1": 0.05})
        targets.weighed({"1.1": 1.0})
        targets.called("1.1", 0.02)
        targets.called("1.1", 0.03, "UNAVAILABLE")
        targets.called("", 0.01)

    _, _, series = tell(act)
    assert series == {
        ("clew.target.weight", "1.0", "inventory"): 0,
        ("clew.target.weight", "1.1", "inventory"): 1,
        ("clew.target.call.duration", "1.1", "inventory"): 1,
        ("clew.target.call.duration", "1.1", "UNAVAILABLE", "inventory"): 1,
        ("clew.target.call.duration", "inventory"): 1,
    }


def test_verdicts_on_canaries_are_counted_with_their_reason(tell):
    """By service and version."""
    _, _, series = tell(lambda: patterns.Canary("inventory").judged("1.1", "rollback", "failures"))
    assert series == {("clew.canary.verdicts", "1.1", "failures", "inventory", "rollback"): 1}
