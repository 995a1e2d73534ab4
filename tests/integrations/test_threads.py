"""Threads and thread pools carry the context, and keep none."""

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry.trace import INVALID_SPAN, SpanKind, get_current_span, use_span

from instrumentation.integrations import threads as integration


@pytest.fixture(autouse=True)
def installed(kit):
    undo = integration.install(kit.signals)
    yield
    undo()


@pytest.fixture
def parent(kit):
    """Make a span."""
    return lambda: kit.signals.tracers.get_tracer("t").start("parent", SpanKind.INTERNAL, None)


def test_a_pool_s_thread_keeps_no_context(parent):
    """A thread that a pool started for one request has the next one's context, and none for what has none."""
    first, second = parent(), parent()
    with ThreadPoolExecutor(1) as pool:
        with use_span(first):
            assert pool.submit(get_current_span).result() is first
        with use_span(second):
            assert pool.submit(get_current_span).result() is second
        assert pool.submit(get_current_span).result() is INVALID_SPAN


def test_results_errors_and_arguments_pass(parent):
    """What a submitted call takes, returns and raises is as without the kit."""
    with ThreadPoolExecutor(1) as pool, use_span(parent()):
        assert pool.submit(lambda *args, **kwargs: (args, kwargs), 1, fn=2).result() == ((1,), {"fn": 2})
        with pytest.raises(ZeroDivisionError):
            pool.submit(lambda: 1 / 0).result()
        assert list(pool.map(abs, [-1, -2])) == [1, 2]


def test_a_thread_is_freed_by_its_last_user(parent):
    """A thread that has run is in no reference cycle, so that it and its context are freed at once."""
    gc.disable()
    try:
        with use_span(parent()):
            thread = threading.Thread(target=int)
            thread.start()
        thread.join()
        gone = weakref.ref(thread)
        del thread
        assert gone() is None
    finally:
        gc.enable()


def test_waiting_calls_are_counted(kit, series):
    """The queue length is the number of calls that no thread has taken, by the pool's name."""
    release, running = threading.Event(), threading.Event()
    pool = ThreadPoolExecutor(1, thread_name_prefix="mail")
    pool.submit(lambda: (running.set(), release.wait()))
    running.wait(5)
    waiting = [pool.submit(int) for _ in range(3)]
    assert series(kit, "thread_pool.queue.length") == [({"thread_pool.name": "mail"}, 3)]
    release.set()
    for call in waiting:
        call.result()
    assert series(kit, "thread_pool.queue.length") == []
    pool.shutdown()


def test_undo_gives_everything_back(kit):
    """After undo, threads and pools are as they were."""
    before = threading.Thread.start, ThreadPoolExecutor.submit
    undo = integration.install(kit.signals)
    assert threading.Thread.start is not before[0]
    undo()
    assert (threading.Thread.start, ThreadPoolExecutor.submit) == before
