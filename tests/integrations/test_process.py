"""Process metrics agree with what psutil sees, and a blocked loop shows."""

import asyncio
import os
import threading
import time
from pathlib import Path

import anyio
import psutil
import pytest
import uvloop

from instrumentation.integrations import event_loop, process
from instrumentation.signals.metric import MetricStore


def points(store, name):
    return [point for family in store.snapshot() if family.name == name for point in family.points]


def value(store, name):
    [point] = points(store, name)
    return point.value


@pytest.fixture
def store():
    return MetricStore()


def test_values_agree_with_psutil(store):
    """CPU, memory, threads and file descriptors are those that psutil reads at about the same time."""
    process.register(store)
    seen = psutil.Process(os.getpid())
    cpu = {point.attributes["cpu.mode"]: point.value for point in points(store, "process.cpu.time")}
    assert cpu["user"] == pytest.approx(seen.cpu_times().user, abs=0.5)
    assert cpu["system"] == pytest.approx(seen.cpu_times().system, abs=0.5)
    assert value(store, "process.memory.usage") == pytest.approx(seen.memory_info().rss, rel=0.1)
    assert value(store, "process.thread.count") == seen.num_threads()
    assert value(store, "process.unix.file_descriptor.count") == seen.num_fds() - 1  # psutil counts its own
    assert [point.attributes["cpython.gc.generation"] for point in points(store, "cpython.gc.collections")] == [0, 1, 2]


def test_new_thread_and_file_show(store):
    """One more thread and one more file raise their counts by one."""
    process.register(store)
    before = value(store, "process.thread.count"), value(store, "process.unix.file_descriptor.count")
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        with Path(os.devnull).open():
            after = value(store, "process.thread.count"), value(store, "process.unix.file_descriptor.count")
    finally:
        release.set()
        thread.join(10)
    assert after == (before[0] + 1, before[1] + 1)


async def test_blocked_loop_shows(store):
    """A call that blocks the loop for 300 ms raises the greatest delay to 0.25 s or more and is in the histogram."""
    handle = process.register(store)
    await asyncio.sleep(2 * event_loop.PERIOD_SECONDS)
    time.sleep(0.3)  # noqa: ASYNC251  # blocking is what is tested
    assert value(store, "asyncio.eventloop.delay.max") >= 0.25  # while the timer is still overdue
    await asyncio.sleep(2 * event_loop.PERIOD_SECONDS)
    assert value(store, "asyncio.eventloop.delay.max") >= 0.25
    assert value(store, "asyncio.eventloop.delay.max") >= 0.25  # whoever read it before
    [point] = points(store, "asyncio.eventloop.delay")
    assert sum(point.counts[point.boundaries.index(0.5) :]) >= 1
    handle.undo()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run, anyio.run], ids=["asyncio", "uvloop", "anyio"])
def test_a_loop_that_runs_later_is_watched(store, run):
    """Who sets up first and then runs a loop, as a gRPC service does, has it watched without asking for it."""

    async def main():
        await asyncio.sleep(2 * event_loop.PERIOD_SECONDS)
        time.sleep(0.3)  # noqa: ASYNC251  # blocking is what is tested
        return value(store, "asyncio.eventloop.delay.max")

    untouched = asyncio.Runner.run
    handle = process.register(store)
    handle.watch_runners()
    try:
        assert not points(store, "asyncio.eventloop.delay.max")
        assert run(main if run is anyio.run else main()) >= 0.25
        assert run(main if run is anyio.run else main()) >= 0.25  # the next one too
    finally:
        handle.undo()
    assert asyncio.Runner.run is untouched


async def test_tasks_are_counted(store):
    """The task count follows the tasks of the watched loop."""
    handle = process.register(store)
    assert value(store, "asyncio.task.count") == len(asyncio.all_tasks())
    waiting = [asyncio.create_task(asyncio.Event().wait()) for _ in range(3)]
    assert value(store, "asyncio.task.count") == len(asyncio.all_tasks())
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    handle.undo()


def test_monitor_follows_the_next_loop(store):
    """Registered without a loop nothing is shown; started in one loop and, when that is closed, in the next, it is."""
    handle = process.register(store)
    assert points(store, "asyncio.task.count") == []

    async def watched():
        handle.start_loop_monitor()
        return value(store, "asyncio.task.count")

    assert asyncio.run(watched()) == 1
    assert points(store, "asyncio.eventloop.delay.max") == []
    assert asyncio.run(watched()) == 1


async def test_undo_leaves_nothing(store):
    """After undo no reading is left and the loop's timer is cancelled."""
    handle = process.register(store)
    handle.undo()
    seen = sum(points(store, "asyncio.eventloop.delay")[0].counts)
    await asyncio.sleep(3 * event_loop.PERIOD_SECONDS)
    assert [family.name for family in store.snapshot()] == ["asyncio.eventloop.delay", "cpython.gc.duration"]
    assert sum(points(store, "asyncio.eventloop.delay")[0].counts) == seen
