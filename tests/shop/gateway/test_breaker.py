"""The circuit breaker, on a clock of the test's own."""

import asyncio
from time import perf_counter

import pytest
from shop.gateway.breaker import Breaker, OpenError


class Clock:
    """Stands still."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def breaker(pattern_kit, clock):
    """A breaker that opens at the third failure, for ten seconds."""
    return Breaker("stock", lambda error: isinstance(error, OSError), failures=3, open_seconds=10, clock=clock)


async def fail():
    raise OSError("away")


async def answer():
    return "here"


async def open_up(breaker):
    for _ in range(3):
        with pytest.raises(OSError, match="away"):
            await breaker.call(fail)


async def test_it_opens_at_the_third_failure_in_a_row(breaker):
    """Successes in between keep it closed; three failures one after the other open it."""
    for make in (fail, fail, answer, fail, fail):
        await asyncio.gather(breaker.call(make), return_exceptions=True)
    assert await breaker.call(answer) == "here"
    await open_up(breaker)
    with pytest.raises(OpenError):
        await breaker.call(answer)


async def test_an_error_that_is_none_of_the_other_side_keeps_it_closed(breaker):
    """What the caller did wrong says that the other side answers."""
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            await breaker.call(_divide)
    assert await breaker.call(answer) == "here"


async def _divide():
    return 1 / 0


async def test_open_it_refuses_within_5_ms(breaker):
    """A call that is refused costs next to nothing: the fastest of twenty, so that a busy machine does not count."""
    await open_up(breaker)
    fastest = 1.0
    for _ in range(20):
        start = perf_counter()
        with pytest.raises(OpenError):
            await breaker.call(answer)
        fastest = min(fastest, perf_counter() - start)
    assert fastest < 0.005


async def test_half_open_it_lets_one_call_through_and_closes_when_that_succeeds(breaker, clock):
    """After its time one call tries, all others are refused until it is known how that ends."""
    await open_up(breaker)
    clock.now = 10.0
    go_on = asyncio.Event()

    async def slow():
        await go_on.wait()
        return "back"

    probe = asyncio.create_task(breaker.call(slow))
    await asyncio.sleep(0)
    with pytest.raises(OpenError):
        await breaker.call(answer)
    go_on.set()
    assert await probe == "back"
    assert await breaker.call(answer) == "here"


async def test_a_probe_that_fails_opens_it_for_another_while(breaker, clock):
    """One failure is enough then, and the time begins anew."""
    await open_up(breaker)
    clock.now = 10.0
    with pytest.raises(OSError, match="away"):
        await breaker.call(fail)
    clock.now = 19.9
    with pytest.raises(OpenError):
        await breaker.call(answer)


async def test_a_probe_that_is_cancelled_lets_the_next_one_try(breaker, clock):
    """A caller that goes away leaves no breaker half open for good."""
    await open_up(breaker)
    clock.now = 10.0
    probe = asyncio.create_task(breaker.call(asyncio.Event().wait))
    await asyncio.sleep(0)
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    assert await breaker.call(answer) == "here"


async def test_its_whole_course_shows(breaker, clock, pattern_kit, series_of):
    """Closed, open, half open and closed again are counted as they come; refusals too."""
    await open_up(breaker)
    with pytest.raises(OpenError):
        await breaker.call(answer)
    clock.now = 10.0
    await breaker.call(answer)
    found = series_of(pattern_kit)
    moves = {
        state: found[("clew.breaker.transitions", *sorted(("stock", state)))]
        for state in ("open", "half_open", "closed")
    }
    assert moves == {"open": 1, "half_open": 1, "closed": 1}
    assert found["clew.breaker.rejected", "stock"] == 1
    assert found["clew.breaker.state", "closed", "stock"] == 1
