"""Metrics over time: rates, values, means and quantiles, added up per group."""

import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from clew_console.search.reader import connections, resources
from clew_console.search.steps import NS_PER_SECOND, Steps, steps
from clew_console.search.time_range import TimeRange
from clew_console.store.directory import Directory
from clew_console.store.value import plain_text

FUNCTIONS = ("value", "rate", "increase", "mean", "quantile")
MOST_STEPS = 120
MOST_SERIES = 50
LOOKBACK_NS = 300 * NS_PER_SECOND
"""How long before the range a series' last point is looked for, so that the first step has something to grow from."""
DELTA = 1

Labels = tuple[tuple[str, str], ...]
_Key = tuple[str, str, int, bool, str, bytes]


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart: the labels grouped by, and (start of the step in ns, value) where there is a value."""

    labels: Labels
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class MetricSeries:
    """Rates are per second, values and quantiles in the metric's unit; `dropped` counts groups beyond the 50 first."""

    name: str
    unit: str
    type: str
    function: str
    steps: Steps
    series: tuple[Series, ...]
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """One stored point; of a histogram `bounds` and `counts` (one longer), else empty."""

    time_ns: int
    start_ns: int
    value: float | None
    count: int
    total: float
    bounds: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


@dataclass(slots=True)
class Step:
    """What a group gathered in one step."""

    values: dict[int, float] = field(default_factory=dict)
    increase: float = 0.0
    count: int = 0
    total: float = 0.0
    buckets: dict[float, int] = field(default_factory=dict)


def metric_series(
    directory: Directory,
    name: str,
    when: TimeRange,
    function: str | None = None,
    *,
    quantile: float = 0.95,
    group_by: Sequence[str] = (),
    filters: Mapping[str, str] | None = None,
    most_steps: int = MOST_STEPS,
) -> MetricSeries:
    """Return the metric over time, or no series when there is no such metric.

    Args:
        directory: What to read.
        name: The OpenTelemetry name.
        when: Start and end.
        function: `value` (sum over the series of a group of their newest value), `rate` and `increase` (of a counter,
            or of a histogram's count), `mean` and `quantile` (of a histogram). None picks what suits the type.
        quantile: 0 to 1, interpolated in the bucket as Prometheus does.
        group_by: Attribute keys of points or resources; one series per combination of values.
        filters: Attribute key to the text its value must have.
        most_steps: How many points a series has at most.
    """
    cut = steps(when, most_steps, shortest_seconds=5)
    kind, unit, groups = "", "", dict[Labels, list[Step]]()
    chosen = function or ""
    for series in _stored_series(directory, name, TimeRange(max(cut.start_ns - LOOKBACK_NS, 0), cut.end_ns)):
        kind, unit = series.kind, series.unit
        chosen = chosen or _default(series)
        if all(series.labels.get(key) == value for key, value in (filters or {}).items()):
            labels = tuple((key, series.labels.get(key, "")) for key in group_by)
            gathered = groups.setdefault(labels, [Step() for _ in range(cut.count)])
            _gather(series, gathered, cut)
    found = [Series(labels, tuple(_points(group, cut, chosen, quantile))) for labels, group in groups.items()]
    found = sorted((one for one in found if one.points), key=lambda one: (-max(v for _, v in one.points), one.labels))
    return MetricSeries(name, unit, kind, chosen, cut, tuple(found[:MOST_SERIES]), max(len(found) - MOST_SERIES, 0))


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """A series with its points in order of time."""

    id: int
    kind: str
    unit: str
    temporality: int
    is_monotonic: bool
    labels: dict[str, str]
    points: tuple[Stored, ...]


def _default(series: StoredSeries) -> str:
    if series.kind in {"histogram", "exponential_histogram", "summary"}:
        return "quantile" if series.kind == "histogram" else "mean"
    return "rate" if series.kind == "sum" and series.is_monotonic else "value"


_SERIES = """
SELECT id, resource_id, unit, type, temporality, is_monotonic, attributes FROM series WHERE name = ?
"""
_POINTS = """
SELECT time_ns, start_ns, value, count, sum, buckets FROM point
WHERE series_id = ? AND time_ns >= ? AND time_ns < ? ORDER BY time_ns
"""


def _stored_series(directory: Directory, name: str, when: TimeRange) -> Iterator[StoredSeries]:
    """Yield each series with its points of all segments."""
    found, identities = dict[_Key, list[Stored]](), dict[_Key, dict[str, str]]()
    for connection in connections(directory):
        rows = connection.execute(_SERIES, (name,)).fetchall()
        emitters = resources(connection) if rows else {}
        for series_id, resource_id, unit, kind, temporality, is_monotonic, attributes in rows:
            resource = emitters[resource_id]
            key = (kind, unit, temporality, bool(is_monotonic), attributes, resource.encoded)
            points = connection.execute(_POINTS, (series_id, when.start_ns, when.end_ns)).fetchall()
            found.setdefault(key, []).extend(_stored(*row) for row in points)
            own = {name: plain_text(value) for name, value in orjson.loads(attributes).items()}
            identities[key] = {k: plain_text(v) for k, v in resource.attributes.items()} | own
    for number, (key, points) in enumerate(found.items()):
        kind, unit, temporality, is_monotonic, *_ = key
        points.sort(key=lambda point: point.time_ns)
        yield StoredSeries(number, kind, unit, temporality, is_monotonic, identities[key], tuple(points))


def _stored(
    time_ns: int, start_ns: int, value: float | None, count: int | None, total: float | None, buckets: str | None
) -> Stored:
    shape = orjson.loads(buckets) if buckets else {}
    bounds, counts = tuple(shape.get("bounds", ())), tuple(shape.get("counts", ()))
    return Stored(time_ns, start_ns, value, count or 0, total or 0.0, bounds, counts)


def _gather(series: StoredSeries, gathered: list[Step], cut: Steps) -> None:
    """Add what the series grew by, and its newest value, to each step."""
    previous: Stored | None = None
    for point in series.points:
        index = cut.index(point.time_ns)
        base = None if series.temporality == DELTA or _is_reset(previous, point) else previous
        is_first = previous is None and series.temporality != DELTA and point.start_ns < cut.start_ns
        previous = point
        if not 0 <= index < len(gathered):
            continue
        step = gathered[index]
        if point.value is not None:
            step.values[series.id] = point.value
        if not is_first:
            _grow(step, base, point)


def _is_reset(previous: Stored | None, point: Stored) -> bool:
    """Tell whether counting began anew: the process restarted."""
    if previous is None or point.count < previous.count or point.bounds != previous.bounds:
        return True
    return point.value is not None and previous.value is not None and point.value < previous.value


def _grow(step: Step, base: Stored | None, point: Stored) -> None:
    step.increase += (point.value or 0.0) - (base.value or 0.0 if base else 0.0)
    step.count += point.count - (base.count if base else 0)
    step.total += point.total - (base.total if base else 0.0)
    before: Iterable[int] = base.counts if base else (0,) * len(point.counts)
    for bound, now, then in zip((*point.bounds, float("inf")), point.counts, before, strict=False):
        step.buckets[bound] = step.buckets.get(bound, 0) + max(now - then, 0)


def _points(group: list[Step], cut: Steps, function: str, quantile: float) -> Iterator[tuple[int, float]]:
    bounds = sorted({bound for step in group for bound in step.buckets})
    for start_ns, step in zip(cut.times(), group, strict=True):
        value = _value(step, function, quantile, bounds, cut.step_ns / NS_PER_SECOND)
        if value is not None:
            yield start_ns, value


def _value(step: Step, function: str, quantile: float, bounds: list[float], seconds: float) -> float | None:
    if function == "value":
        return sum(step.values.values()) if step.values else None
    if function in {"rate", "increase"}:
        if not step.values and not step.count:
            return None
        grown = step.count or step.increase
        return grown / seconds if function == "rate" else grown
    if not step.count:
        return None
    return step.total / step.count if function == "mean" else bucket_quantile(step.buckets, bounds, quantile)


def bucket_quantile(buckets: Mapping[float, int], bounds: Sequence[float], quantile: float) -> float | None:
    """Return the quantile of observations counted per upper bound, linear within a bucket as in Prometheus.

    What lies above the last finite bound counts as that bound.
    """
    total = sum(buckets.values())
    if not total:
        return None
    rank, seen = quantile * total, 0
    for bound in bounds:
        count = buckets.get(bound, 0)
        if count and seen + count >= rank:
            return _within(bounds, bound, (rank - seen) / count)
        seen += count
    return _within(bounds, bounds[-1], 1.0)


def _within(bounds: Sequence[float], bound: float, share: float) -> float:
    index = bisect.bisect_left(bounds, bound)
    lower = bounds[index - 1] if index else 0.0
    if bound == float("inf"):
        return lower
    lower = min(lower, bound)
    return lower + (bound - lower) * share
