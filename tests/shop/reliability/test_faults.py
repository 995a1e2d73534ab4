import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from shop.reliability.database import Database
from shop.reliability.faults import Faults, hold, unbounded
from shop.reliability.retry import Policy, Retry
from sqlalchemy import MetaData, text


@pytest.fixture
async def database(tmp_path: Path):
    async with Database(f"sqlite+aiosqlite:///{tmp_path}/service.db", MetaData()) as database:
        yield database


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - of another thread, or of the kernel
            await asyncio.sleep(0.01)


async def test_a_blocked_loop_runs_no_timer_meanwhile():
    """While the fault is there a timer comes late by as much as it blocks."""
    async with Faults() as faults:
        faults.put("block", {"seconds": 0.2, "pause_seconds": 0.01})
        assert faults.read() == {"block": True, "leak": False}
        await asyncio.sleep(0)
        late = []
        for _ in range(3):
            due = time.monotonic() + 0.02
            await asyncio.sleep(0.02)
            late.append(time.monotonic() - due)
        assert max(late) > 0.1
        faults.remove("block")
        assert faults.read() == {"block": False, "leak": False}


async def test_a_leak_is_resident_memory_that_comes_back_at_its_end():
    """The process grows by what is leaked, up to the bound, and shrinks again."""
    process = psutil.Process()
    before = process.memory_info().rss
    async with Faults() as faults:
        faults.put("leak", {"mib_per_second": 640, "most_mib": 128})
        await until(lambda: process.memory_info().rss > before + 100 * 2**20)
        await asyncio.sleep(0.3)
        assert process.memory_info().rss < before + 200 * 2**20
    await until(lambda: process.memory_info().rss < before + 64 * 2**20)


async def test_held_connections_are_missing_to_everybody_until_they_come_back(database: Database):
    """Nobody gets a connection while the fault holds all; at its end they are there again."""

    async def ask() -> None:
        async with asyncio.timeout(0.2), database.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def ask_for_ever() -> None:
        while True:
            await ask()
            await asyncio.sleep(0.01)

    await ask()
    async with Faults(hold=lambda: hold(database)) as faults:
        faults.put("hold", {})
        with pytest.raises(TimeoutError):
            await ask_for_ever()
    await ask()


async def test_without_a_budget_each_failing_call_uses_all_its_attempts():
    """An impatient client makes four attempts of every call; afterwards the budget holds again."""
    retry = Retry("shop", lambda _error: True, Policy(first_delay_seconds=0, last_delay_seconds=0))
    attempts = 0

    async def fail(_seconds_left: float) -> None:
        nonlocal attempts
        attempts += 1
        raise OSError("away")

    async def attempts_of(calls: int) -> int:
        before = attempts
        for _ in range(calls):
            with pytest.raises(OSError, match="away"):
                await retry.call(fail, 5)
        return attempts - before

    async with Faults(impatience=lambda: unbounded(retry)) as faults:
        faults.put("impatience", {})
        await asyncio.sleep(0)
        await until(lambda: retry.policy.budget > 1)
        assert await attempts_of(50) == 200
    assert retry.policy == Policy(first_delay_seconds=0, last_delay_seconds=0)
    await attempts_of(20)  # what was saved up, at most twenty
    assert await attempts_of(50) <= 60


async def test_an_unknown_fault_or_parameter_is_refused():
    """A mistake changes nothing and is told."""
    async with Faults() as faults:
        with pytest.raises(KeyError):
            faults.put("flood", {})
        with pytest.raises(KeyError):
            faults.remove("flood")
        with pytest.raises(TypeError, match="minutes"):
            faults.put("block", {"minutes": 1})
        assert not any(faults.read().values())
