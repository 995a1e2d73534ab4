"""Row 10: a database pool's state, as the service's own exits show it."""

import asyncio

from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import create_async_engine

from instrumentation.integrations import sqlalchemy as integration

POOL = "db.client.connection"


def read(kit):
    """Return each pool metric's value (of a histogram: count and sum) by name, with its state if it has one."""
    found = {}
    for family in kit.signals.metrics.snapshot():
        for point in family.points:
            name = family.name.removeprefix(f"{POOL}.")
            state = point.attributes.get(f"{POOL}.state")
            value = (sum(point.counts), point.sum) if hasattr(point, "counts") else point.value
            found[f"{name}.{state}" if state else name] = value
    return found


async def test_a_pool_of_two_with_five_callers(kit, tmp_path):
    """Two are used and three pending; those wait; the one that waits too long is counted as timed out."""
    undo = integration.install(kit.signals)
    url = f"sqlite+aiosqlite:///{tmp_path}/pool.db"
    engine = create_async_engine(url, pool_size=2, max_overflow=0, pool_timeout=0.3)
    taken, release = asyncio.Semaphore(0), asyncio.Event()

    async def caller():
        async with engine.connect():
            taken.release()
            await release.wait()

    try:
        holders = [asyncio.create_task(caller()) for _ in range(2)]
        for _ in holders:
            await taken.acquire()
        waiting = [asyncio.create_task(caller()) for _ in range(3)]
        await asyncio.sleep(0.05)  # long enough to be told apart from no wait
        seen = read(kit)
        assert (seen["count.used"], seen["count.idle"], seen["pending_requests"]) == (2, 0, 3)
        assert (seen["max"], seen["idle.max"], seen["idle.min"], seen["timeouts"]) == (2, 2, 0, 0)
        holders[0].cancel()  # gives its connection to one of the three, who keeps it
        await taken.acquire()
        for outcome in await _first_two(waiting):
            assert isinstance(outcome, PoolTimeout)
        seen = read(kit)
        assert (seen["count.used"], seen["pending_requests"], seen["timeouts"]) == (2, 0, 2)
        count, total = seen["wait_time"]
        assert count == 3
        assert total >= 0.04
        assert seen["create_time"][0] == 2
        release.set()
        await asyncio.gather(*holders, *waiting, return_exceptions=True)
        seen = read(kit)
        assert (seen["count.used"], seen["count.idle"], seen["use_time"][0]) == (0, 2, 3)
    finally:
        await engine.dispose()
        undo()


async def _first_two(tasks):
    """Return what the first two of the tasks to end raised."""
    ended = asyncio.as_completed(tasks, timeout=5)
    return [await _error(task) for _, task in zip(range(2), ended, strict=False)]


async def _error(task):
    try:
        return await task
    except Exception as error:
        return error
