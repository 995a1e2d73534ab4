"""Slices take turns, and each is compared with the slices of its base beside it."""

from types import SimpleNamespace

from benchmarks.comparison import Spread
from benchmarks.slices import Slice, Timeline, turns


def subject(name, base, *rates):
    several = iter(rates)
    return SimpleNamespace(name=name, base=base, pid=0, run=lambda lead_in, seconds: slice_of(next(several)))


def slice_of(rate):
    return Slice(operations=rate, seconds=1.0, cpu_seconds=rate * 1e-4, latencies_ms=[1.0] * rate, total=rate)


def test_turns():
    """A base comes first and after every second of those compared with it, each group by itself."""
    names = [("bare", "bare"), ("a", "bare"), ("logs", "logs"), ("b", "bare"), ("c", "bare"), ("d", "logs")]
    order = [each.name for each in turns([subject(*pair) for pair in names])]
    assert order == ["bare", "a", "b", "bare", "c", "logs", "d"]


def test_pairs_are_neighbours():
    """A slice is compared with its base's slices of the same moment, not with those of other times."""
    bare, kit = subject("bare", "bare", 100, 20, 40), subject("kit", "bare", 80, 24)
    timeline = Timeline()
    for each in (bare, kit, kit, bare, bare):
        timeline.take(each)
    pairs = timeline.pairs("kit", "bare")
    assert [each.base_per_second for each in pairs] == [60, 160 / 3]
    ratios = [each.own.per_second / each.base_per_second for each in pairs]
    assert ratios == [80 / 60, 24 / (160 / 3)]


def test_windows_without_work_tell_nothing():
    """A window in which the machine was elsewhere is compared with nothing, and nothing with it."""
    bare, kit = subject("bare", "bare", 100, 0, 50), subject("kit", "bare", 80, 0, 30)
    timeline = Timeline()
    for each in (bare, kit, bare, kit, bare, kit):
        timeline.take(each)
    assert [(each.own.per_second, each.base_per_second) for each in timeline.pairs("kit", "bare")] == [
        (80, 100),
        (30, 50),
    ]


def test_base_against_itself():
    """A base is its own measure."""
    timeline = Timeline()
    timeline.take(subject("bare", "bare", 100))
    assert [pair.own.cpu_us - pair.base_cpu_us for pair in timeline.pairs("bare", "bare")] == [0]


def test_one_wild_slice_moves_no_median():
    """A slice in which the machine was away changes neither median nor the middle half much."""
    assert Spread.of([0.9, 0.88, 0.9, 0.92, 7.0]) == Spread(0.9, 0.9, 0.92)
