"""Libraries that implement patterns speak the kit's vocabulary."""

import asyncio

import pybreaker
import pytest
import stamina
import tenacity
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

from instrumentation.integrations import stamina as stamina_integration
from instrumentation.integrations.purgatory import Observer as PurgatoryObserver
from instrumentation.integrations.pybreaker import Observer as PybreakerObserver
from instrumentation.integrations.tenacity import observed


@pytest.fixture
def fails():
    """A call that fails so many times, and then succeeds."""

    def make(times):
        left = [OSError("away")] * times

        def call():
            if left:
                raise left.pop()
            return "here"

        return call

    return make


@pytest.fixture
def in_span(pattern_kit, plain):
    """Run something in a span; return the span's events and attributes."""

    def run(act):
        with pattern_kit.signals.tracers.get_tracer("t").start_as_current_span("work"):
            act()
        span = pattern_kit.decoded_spans()[-1]
        return [(event.name, plain(event.attributes)) for event in span.events], plain(span.attributes)

    return run


def test_stamina_is_observed_by_its_own_hook(pattern_kit, in_span, series_of, fails):
    """Each retry is an event of the current span and counted; hooks that were set before stay."""
    seen = []
    stamina.instrumentation.set_on_retry_hooks([seen.append])
    undo = stamina_integration.install(pattern_kit.signals)
    call = fails(2)

    @stamina.retry(on=OSError, attempts=3, wait_initial=0.001, wait_jitter=0)
    def fetch():
        return call()

    try:
        events, _ = in_span(fetch)
    finally:
        undo()
        assert len(stamina.instrumentation.get_on_retry_hooks()) == 1
        stamina.instrumentation.set_on_retry_hooks(None)
    assert [(name, each["clew.retry.resend"], each["error.type"]) for name, each in events] == [
        ("clew.retry.wait", 1, "OSError"),
        ("clew.retry.wait", 2, "OSError"),
    ]
    (name,) = {each["clew.retry.name"] for _, each in events}
    assert series_of(pattern_kit) == {("clew.retry.resends", name): 2}
    assert len(seen) == 2


def test_tenacity_is_observed_by_its_callbacks(pattern_kit, in_span, series_of, fails):
    """Each pause is an event; a call that gave up says so, and one that came through does not."""
    options = {"stop": tenacity.stop_after_attempt(3), "wait": tenacity.wait_fixed(0.001), "reraise": True}
    good, bad = fails(1), fails(9)

    def act():
        callbacks = observed("fetch")
        assert tenacity.Retrying(**options, **callbacks)(good) == "here"
        with pytest.raises(OSError, match="away"):
            tenacity.Retrying(**options, **callbacks)(bad)

    events, attributes = in_span(act)
    assert [each["clew.retry.resend"] for _, each in events] == [1, 1, 2]
    assert {each["clew.retry.delay"] for _, each in events} == {0.001}
    assert attributes == {"clew.retry.name": "fetch", "clew.retry.outcome": "attempts"}
    assert series_of(pattern_kit) == {
        ("clew.retry.resends", "fetch"): 3,
        ("clew.retry.calls", "attempts", "fetch"): 1,
    }


def test_pybreaker_is_observed_by_a_listener(pattern_kit, in_span, series_of, fails):
    """It opens, refuses, tries and closes: each is counted and an event."""
    observer = PybreakerObserver("stock")
    breaker = pybreaker.CircuitBreaker(
        fail_max=2, reset_timeout=0.05, listeners=[observer], throw_new_error_on_trip=False
    )
    call = fails(2)

    def act():
        for _ in range(2):
            with pytest.raises(OSError, match="away"):
                breaker.call(call)
        with pytest.raises(pybreaker.CircuitBreakerError), observer.calling():
            breaker.call(call)
        breaker.half_open()
        assert breaker.call(call) == "here"

    events, _ = in_span(act)
    assert [each.get("clew.breaker.state", name) for name, each in events] == [
        "open",
        "clew.breaker.rejected",
        "half_open",
        "closed",
    ]
    assert series_of(pattern_kit) == course("stock")


def test_purgatory_is_observed_by_a_listener(pattern_kit, in_span, series_of, fails):
    """Likewise."""
    observer = PurgatoryObserver()
    call = fails(2)

    async def course_of_a_breaker():
        factory = AsyncCircuitBreakerFactory(default_threshold=2, default_ttl=0.05)
        factory.add_listener(observer)
        for _ in range(2):
            with pytest.raises(OSError, match="away"):
                async with await factory.get_breaker("stock"):
                    call()
        with pytest.raises(OpenedState), observer.calling("stock"):
            async with await factory.get_breaker("stock"):
                call()
        await asyncio.sleep(0.06)  # its clock is the wall's
        async with await factory.get_breaker("stock"):
            assert call() == "here"

    events, _ = in_span(lambda: asyncio.run(course_of_a_breaker()))
    assert [each.get("clew.breaker.state", name) for name, each in events] == [
        "open",
        "clew.breaker.rejected",
        "half_open",
        "closed",
    ]
    assert series_of(pattern_kit) == course("stock")


def course(name):
    """Return the series of a breaker that opened, refused once, tried, and closed."""
    return {
        ("clew.breaker.state", "closed", name): 1,
        ("clew.breaker.state", *sorted(("open", name))): 0,
        ("clew.breaker.state", *sorted(("half_open", name))): 0,
        **{("clew.breaker.transitions", *sorted((state, name))): 1 for state in ("open", "half_open", "closed")},
        ("clew.breaker.rejected", name): 1,
    }
