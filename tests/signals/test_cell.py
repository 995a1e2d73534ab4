"""Cells lose nothing under threads and copy themselves consistently."""

import sys
import threading

import pytest

from instrumentation.signals.cell import (
    CounterCell,
    GaugeCell,
    HistogramCell,
    LockedCounterCell,
    LockedHistogramCell,
    LockedUpDownCounterCell,
    UpDownCounterCell,
)

TRACE, SPAN = bytes(range(16)), bytes(range(8))


@pytest.fixture
def busy_switching():
    """Let threads take turns a thousand times as often as usual."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(interval)


def run_threads(work, n=4):
    threads = [threading.Thread(target=work) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


class TestHistogramCell:
    @pytest.mark.parametrize("cell_type", [HistogramCell, LockedHistogramCell])
    def test_bounds_are_inclusive_above(self, cell_type):
        """A value equal to a bound counts in that bound's bucket, one above it in the next."""
        cell = cell_type({"a": 1}, (1.0, 2.0))
        for value in (0.5, 1.0, 1.5, 2.0, 2.5):
            cell.observe(value)
        point = cell.point()
        assert (point.counts, point.sum, point.attributes) == ([2, 2, 1], 7.5, {"a": 1})

    def test_newest_exemplar_of_each_bucket_stays(self):
        """Each bucket keeps the exemplar of its last sampled value; an unsampled value leaves it alone."""
        cell = HistogramCell({}, (1.0,))
        cell.observe(0.1, TRACE, SPAN)
        cell.observe(0.2, SPAN + SPAN, SPAN)
        cell.observe(0.3)
        low, high = cell.point().exemplars
        assert high is None
        assert (low[0], low[2], low[3]) == (0.2, SPAN + SPAN, SPAN)
        assert low[1] >= cell.start_unix_ns

    @pytest.mark.parametrize("cell_type", [HistogramCell, LockedHistogramCell])
    def test_threads_lose_nothing(self, cell_type, busy_switching):
        """Four threads on one cell lose no value, and every copy on the way has a sum that fits its counts."""
        cell = cell_type({}, (1.0,))
        done = threading.Event()
        wrong = []

        def look():
            while not done.is_set():
                point = cell.point()
                if point.sum != sum(point.counts):
                    wrong.append(point)

        def feed():
            for _ in range(20_000):
                cell.observe(1.0, TRACE, SPAN)

        observer = threading.Thread(target=look)
        observer.start()
        run_threads(feed)
        done.set()
        observer.join(60)
        assert cell.point().counts == [80_000, 0]
        assert wrong == []


class TestNumberCells:
    @pytest.mark.parametrize("cell_type", [CounterCell, LockedCounterCell, UpDownCounterCell, LockedUpDownCounterCell])
    def test_threads_lose_nothing(self, cell_type, busy_switching):
        """Four threads adding to one cell lose nothing."""
        cell = cell_type({})
        run_threads(lambda: [cell.add(1) for _ in range(20_000)])
        assert cell.point().value == 80_000

    def test_counter_never_falls(self):
        """A counter ignores a negative amount and keeps the exemplar of the last sampled one."""
        cell = CounterCell({})
        cell.add(2, TRACE, SPAN)
        cell.add(-1, SPAN + SPAN, SPAN)
        point = cell.point()
        assert (point.value, point.exemplar[0], point.exemplar[2:]) == (2, 2, (TRACE, SPAN))

    def test_up_down_counter_falls(self):
        """An up-down counter takes amounts of either sign."""
        cell = UpDownCounterCell({})
        cell.add(2)
        cell.add(-5)
        assert cell.point().value == -3

    def test_gauge_shows_its_last_value(self):
        """A gauge has no point before its first value and then the last one."""
        cell = GaugeCell({})
        assert cell.point() is None
        cell.set(1)
        cell.set(0)
        assert cell.point().value == 0
