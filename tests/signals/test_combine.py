"""Snapshots of several workers become one: counts summed, gauges combined as their description says."""

from instrumentation import semconv
from instrumentation.encode import snapshot
from instrumentation.encode.family import Family, HistogramPoint, NumberPoint, SummaryPoint
from instrumentation.signals.combine import LARGEST, MEAN, SUM, combine
from instrumentation.signals.metric import MAX_SERIES

OLD, NEW = (0.3, 10, b"o" * 16, b"o" * 8), (0.2, 20, b"n" * 16, b"n" * 8)


def family(name, kind, *points, description="Text."):
    return Family(name, kind, "", description, "scope", "1", list(points))


def worker(number, exemplar=None):
    return [
        family("c", "counter", NumberPoint({"a": 1}, 100 + number, 5, exemplar), NumberPoint({"w": number}, 7, 1)),
        family("h", "histogram", HistogramPoint({}, 100 + number, (1.0,), (number, 2), 0.5, (exemplar, None))),
        family("u", "up_down_counter", NumberPoint({}, 100 + number, 3)),
        family("g", "gauge", NumberPoint({}, 0, number)),
        family(semconv.ASYNCIO_EVENTLOOP_DELAY_MEAN, "gauge", NumberPoint({}, 0, float(number))),
        family("process_open_fds", "gauge", NumberPoint({}, 0, number)),
        family("s", "summary", SummaryPoint({}, 100, number, 1.5, ((0.5, 1.0),))),
    ]


def test_each_kind_is_combined_in_its_way():
    """Counters, histograms and summaries count dead workers too; up-down counters and gauges have the living alone."""
    combined = combine([worker(1, OLD), worker(3, NEW)], [worker(9)])
    assert combined == [
        family(
            "c",
            "counter",
            NumberPoint({"a": 1}, 101, 15, NEW),
            *(NumberPoint({"w": number}, 7, 1) for number in (1, 3, 9)),
        ),
        family("h", "histogram", HistogramPoint({}, 101, (1.0,), [13, 6], 1.5, [NEW, None])),
        family("u", "up_down_counter", NumberPoint({}, 101, 6), description=f"Text. ({SUM})"),
        family("g", "gauge", NumberPoint({}, 0, 3), description=f"Text. ({LARGEST})"),
        family(semconv.ASYNCIO_EVENTLOOP_DELAY_MEAN, "gauge", NumberPoint({}, 0, 2.0), description=f"Text. ({MEAN})"),
        family("process_open_fds", "gauge", NumberPoint({}, 0, 4), description=f"Text. ({SUM})"),
        family("s", "summary", SummaryPoint({}, 100, 13, 4.5)),
    ]


def test_other_definitions_are_left_out():
    """A name that is another kind, or a histogram with other boundaries, in another worker spoils nothing."""
    first = [family("h", "histogram", HistogramPoint({}, 1, (1.0,), (1, 1), 2.0))]
    other = [family("h", "histogram", HistogramPoint({}, 1, (1.0, 2.0), (1, 1, 1), 2.0))]
    counter = [family("h", "counter", NumberPoint({}, 1, 5))]
    (combined,) = combine([first, other, counter], [])
    assert combined.points == [HistogramPoint({}, 1, (1.0,), [1, 1], 2.0, [None, None])]


def test_series_are_bounded():
    """Workers with different series have no more of them together than one may have; nothing of the sum is lost."""
    many = [
        [family("c", "counter", *(NumberPoint({"n": worker * MAX_SERIES + n}, 1, 1) for n in range(MAX_SERIES - 1)))]
        for worker in range(3)
    ]
    (combined,) = combine(many[:1], many[1:])
    assert len(combined.points) == MAX_SERIES
    assert sum(point.value for point in combined.points) == 3 * (MAX_SERIES - 1)


def test_a_snapshot_is_read_back_as_it_was():
    """What another process reads is what was written, numbers of foreign types as plain ones."""

    class Odd(float):
        pass

    families = worker(3, NEW)
    assert snapshot.loads(snapshot.dumps(families)) == families
    odd = [family("c", "counter", NumberPoint({"a": True, "b": 1, "c": "é"}, 1, Odd(2.5), (Odd(1.5), *NEW[1:])))]
    assert snapshot.loads(snapshot.dumps(odd)) == odd
