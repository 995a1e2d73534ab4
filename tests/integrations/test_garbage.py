import gc
import sys
import threading

import pytest

from instrumentation.integrations.garbage import GarbageMetrics
from instrumentation.signals.metric import MetricStore


@pytest.fixture
def often():
    """Let threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    gc.freeze()  # a collection of what else there is would take its time
    yield
    gc.unfreeze()
    sys.setswitchinterval(before)


def test_counting_disturbs_no_tuple_in_the_making(often):
    """Other threads make tuples of generators while objects are counted; each of them succeeds."""
    store = MetricStore()
    metrics = GarbageMetrics(store)
    errors, over = [], threading.Event()

    def build():
        while not over.is_set():
            try:
                tuple(number for number in range(40))
            except SystemError as error:
                errors.append(error)

    threads = [threading.Thread(target=build) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(500):
            gc.collect()  # only after a full collection is there something to count
            store.snapshot()
    finally:
        over.set()
        for thread in threads:
            thread.join()
        metrics.undo()
    assert errors == []
