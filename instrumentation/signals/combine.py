"""Combine the metric snapshots of a server's workers into one, as if one process had counted.

| kind | living workers | dead ones |
|---|---|---|
| counter, histogram, summary | summed | summed too: a count never falls |
| up-down counter | summed | left out: what they held is gone |
| gauge | the largest, or as `GAUGES` has it | left out |

Of several exemplars for one bucket the newest stands. A summary's quantiles cannot be combined and are left out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from instrumentation import semconv
from instrumentation.encode.family import Exemplar, Family, HistogramPoint, NumberPoint, Point, SummaryPoint
from instrumentation.signals.metric import MAX_SERIES, OVERFLOW
from instrumentation.signals.series import SeriesKey, series_key

LARGEST, SUM, MEAN = "the largest of the living workers", "the sum of the living workers", "the mean of the workers"
_COMBINED: Mapping[str, Callable[[Sequence[float]], float]] = {
    LARGEST: max,
    SUM: sum,
    MEAN: lambda values: sum(values) / len(values),
}
GAUGES: Mapping[str, str] = {
    semconv.ASYNCIO_EVENTLOOP_DELAY_MEAN: MEAN,
    # prometheus_client's own, which knows no up-down counters
    "process_resident_memory_bytes": SUM,
    "process_virtual_memory_bytes": SUM,
    "process_open_fds": SUM,
}
"""How gauges combine, by the instrument's name; those that are not here: LARGEST."""


@dataclass(slots=True)
class _Gathered:
    """One instrument, and all points of each of its series."""

    identity: Family
    series: dict[SeriesKey, list[Point]] = field(default_factory=dict[SeriesKey, list[Point]])

    def add(self, points: Iterable[Point]) -> None:
        """Add points; what would be one series too many goes to the overflow series."""
        for point in points:
            key = series_key(point.attributes)
            if key not in self.series and len(self.series) >= MAX_SERIES - 1:
                key, point = series_key(OVERFLOW), point._replace(attributes=OVERFLOW)  # noqa: PLW2901
            self.series.setdefault(key, []).append(point)

    def family(self) -> Family:
        """Return the instrument with one point for each series; its description says how they were combined."""
        kind, name = self.identity.kind, self.identity.name
        how = {"gauge": GAUGES.get(name, LARGEST), "up_down_counter": SUM}.get(kind)
        points = [_sum(points) if how is None else _value(points, _COMBINED[how]) for points in self.series.values()]
        description = f"{self.identity.description} ({how})".lstrip() if how else self.identity.description
        return self.identity._replace(points=points, description=description)


def combine(living: Iterable[Sequence[Family]], dead: Iterable[Sequence[Family]]) -> list[Family]:
    """Combine snapshots; of two definitions of one name the first stands, and points of the other kind are left out."""
    gathered: dict[str, _Gathered] = {}
    for snapshots, kinds in ((living, None), (dead, COUNTED)):
        for snapshot in snapshots:
            for family in snapshot:
                if kinds is None or family.kind in kinds:
                    _gather(gathered, family)
    return [each.family() for each in gathered.values()]


COUNTED = frozenset(("counter", "histogram", "summary"))
"""Kinds whose values a dead worker leaves behind."""


def _gather(gathered: dict[str, _Gathered], family: Family) -> None:
    into = gathered.setdefault(family.name, _Gathered(family._replace(points=())))
    if into.identity.kind == family.kind:
        into.add(family.points)


def _sum(points: Sequence[Point]) -> Point:
    first = points[0]
    start = min(point.start_unix_ns for point in points)
    match first:
        case NumberPoint():
            numbers = [point for point in points if isinstance(point, NumberPoint)]
            exemplar = _newest(point.exemplar for point in numbers)
            return NumberPoint(first.attributes, start, sum(point.value for point in numbers), exemplar)
        case HistogramPoint():
            return _histogram(first, start, points)
        case SummaryPoint():
            summaries = [point for point in points if isinstance(point, SummaryPoint)]
            count, total = sum(point.count for point in summaries), sum(point.sum for point in summaries)
            return SummaryPoint(first.attributes, start, count, total)


def _histogram(first: HistogramPoint, start_unix_ns: int, points: Sequence[Point]) -> HistogramPoint:
    """Sum the histograms that have the first one's boundaries; others come from other code of the same service."""
    same = [p for p in points if isinstance(p, HistogramPoint) and tuple(p.boundaries) == tuple(first.boundaries)]
    counts = [sum(bucket) for bucket in zip(*(point.counts for point in same), strict=True)]
    none: Sequence[Exemplar | None] = [None] * len(counts)
    exemplars = [_newest(each) for each in zip(*(point.exemplars or none for point in same), strict=True)]
    total = sum(point.sum for point in same)
    return HistogramPoint(first.attributes, start_unix_ns, first.boundaries, counts, total, exemplars)


def _newest(exemplars: Iterable[Exemplar | None]) -> Exemplar | None:
    return max((each for each in exemplars if each is not None), key=lambda each: each[1], default=None)


def _value(points: Sequence[Point], how: Callable[[Sequence[float]], float]) -> Point:
    numbers = [point for point in points if isinstance(point, NumberPoint)]
    start = min(point.start_unix_ns for point in numbers)
    return NumberPoint(numbers[0].attributes, start, how([point.value for point in numbers]))
