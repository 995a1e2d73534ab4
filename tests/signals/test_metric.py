"""The store: one instrument per name, bounded series, and nothing a caller passes makes it raise."""

import threading

import pytest

from instrumentation.signals import metric
from instrumentation.signals.metric import MAX_SERIES, MetricStore


@pytest.fixture
def said():
    return []


@pytest.fixture
def store(said):
    return MetricStore(warn=said.append)


def values(store, name):
    return {
        tuple(point.attributes.items()): point.value
        for family in store.snapshot()
        if family.name == name
        for point in family.points
    }


class TestRegistration:
    def test_same_name_is_same_instrument(self, store, said):
        """Asking twice for a name, in any case of letters, gives the same instrument without a word."""
        assert store.counter("a.b", unit="1") is store.counter("A.B", unit="1")
        assert store.histogram("h", boundaries=[1, 2]) is store.histogram("h", boundaries=(1, 2))
        assert said == []

    def test_other_kind_works_but_is_not_exported(self, store, said):
        """A second definition of another kind is told once and works for its caller; the first stands on the exits."""
        store.counter("a").cell().add(3)
        for _ in range(2):
            store.gauge("a").cell().set(7)
        store.observable("a", kind="counter", callback=lambda: [(9, {})])
        assert [(f.kind, [p.value for p in f.points]) for f in store.snapshot()] == [("counter", [3])]
        assert len(said) == 1 + 1
        assert "'a'" in said[0]

    def test_other_unit_or_boundaries_are_told(self, store, said):
        """The first unit and boundaries stand; another one is told once."""
        first = store.histogram("h", unit="s", boundaries=[1])
        for _ in range(3):
            assert store.histogram("h", unit="ms", boundaries=[2]) is first
        assert len(said) == 2

    @pytest.mark.parametrize("boundaries", [[2, 1], [1, 1], [float("nan")], [1, float("inf")]])
    def test_unusable_boundaries_give_way(self, store, said, boundaries):
        """Boundaries that are not finite and ascending are told and give way to the default ones."""
        assert store.histogram("h", boundaries=boundaries).boundaries == metric.DEFAULT_BOUNDARIES
        assert len(said) == 1

    def test_threads_get_one_instrument(self, store):
        """Threads that register one name at once get one instrument and one cell."""
        barrier, got = threading.Barrier(8), []

        def register():
            barrier.wait(10)
            got.append(store.counter("a").cell({"k": "v"}))

        threads = [threading.Thread(target=register) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(got) == 8
        assert len(set(map(id, got))) == 1

    def test_instruments_are_bounded(self, store, said, monkeypatch):
        """Beyond the limit an instrument works but is not exported, and that is told once."""
        monkeypatch.setattr(metric, "MAX_INSTRUMENTS", 3)
        for n in range(9):
            store.counter(f"c{n}").cell().add(1)
        assert len(store.snapshot()) == 3
        assert len(said) == 1


class TestSeries:
    def test_order_of_attributes_does_not_matter(self, store):
        """The same attributes in another order are the same series."""
        counter = store.counter("c")
        assert counter.cell({"a": 1, "b": 2}) is counter.cell({"b": 2, "a": 1})

    def test_types_tell_series_apart(self, store):
        """1, 1.0, True and "1" are four series, although Python calls three of them equal."""
        counter = store.counter("c")
        assert len({id(counter.cell({"a": value})) for value in (1, 1.0, True, "1")}) == 4

    def test_overflow_keeps_the_sum_right(self, store):
        """Series beyond 2000 add up in the overflow series: the total is right and the surplus is counted."""
        counter = store.counter("c")
        for n in range(3000):
            counter.cell({"n": n}).add(1)
        found = values(store, "c")
        assert len(found) == MAX_SERIES
        assert found[(("otel.metric.overflow", True),)] == 3000 - (MAX_SERIES - 1)
        assert sum(found.values()) == 3000
        assert store.overflowed() == 3000 - (MAX_SERIES - 1)

    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ({"a": "x\ud800"}, {"a": "x\ufffd"}),
            ({"a": "x" * 5000}, {"a": "x" * 1024}),
            ({"a": ["p", 1]}, {"a": "['p', 1]"}),
            ({"a": None, "b": 1}, {"b": 1}),
            ({1: "x", "a": 2}, {"1": "x", "a": 2}),
            ({"a": type("Bad", (), {"__str__": lambda self: 1 / 0})()}, {"a": "<Bad without text>"}),
        ],
    )
    def test_unusable_attributes_become_usable(self, store, given, kept):
        """Whatever attributes a caller passes, the series has ones that both exits can carry, and is found again."""
        counter = store.counter("c")
        assert counter.cell(given).attributes == kept
        assert counter.cell(given) is counter.cell(given)


class TestObservable:
    def test_asked_at_each_snapshot(self, store):
        """Callbacks are asked at each snapshot, two of them stand beside each other, and a removed one is silent."""
        numbers = iter(range(10))
        first = lambda: [(next(numbers), {"from": "first"})]  # noqa: E731
        observable = store.observable("o", kind="gauge", callback=first)
        store.observable("o", kind="gauge", callback=lambda: [(100, {"from": "second"})])
        assert list(values(store, "o").values()) == [0, 100]
        assert list(values(store, "o").values()) == [1, 100]
        observable.remove(first)
        assert list(values(store, "o").values()) == [100]

    def test_failing_callback_costs_itself_only(self, store, said):
        """A callback that raises is told once and costs no other metric."""

        def bad():
            raise RuntimeError("broken")

        store.observable("bad", kind="gauge", callback=bad)
        store.counter("good").cell().add(1)
        assert [[f.name for f in store.snapshot()] for _ in range(2)] == [["good"]] * 2
        assert len(said) == 1
        assert "broken" in said[0]

    def test_overflow_keeps_the_sum_right(self, store):
        """An observable counter with too many series adds the surplus up in the overflow series."""
        store.observable("o", kind="counter", callback=lambda: [(1, {"n": n}) for n in range(3000)])
        found = values(store, "o")
        assert len(found) == MAX_SERIES
        assert sum(found.values()) == 3000
