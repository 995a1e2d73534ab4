"""Metric readers of the SDK: they collect from the kit's store."""

from collections.abc import Callable, Iterable, Sequence
from time import time_ns
from typing import Any

from opentelemetry.sdk.metrics import Exemplar as SdkExemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricReader,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from instrumentation.encode.family import Exemplar, Family, HistogramPoint, NumberPoint
from instrumentation.sdk.readable import CurrentResource

_CUMULATIVE = AggregationTemporality.CUMULATIVE


def feed(reader: MetricReader, collect: Callable[[], Iterable[Family]], resource: CurrentResource) -> None:
    """Let a reader collect what `collect` returns. Sums are cumulative, whatever temporality it prefers."""

    def callback(*_args: Any, **_kwargs: Any) -> MetricsData:
        return metrics_data(collect(), resource)

    # The SDK's meter provider does the same; there is no public way.
    reader._set_collect_callback(callback)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def metrics_data(families: Iterable[Family], resource: CurrentResource) -> MetricsData:
    """Return a snapshot as the SDK's data. Summaries, which only Prometheus clients make, have no form in it."""
    now_ns = time_ns()
    scopes: dict[tuple[str, str], list[Metric]] = {}
    for family in families:
        if family.kind != "summary":
            scopes.setdefault((family.scope, family.scope_version), []).append(_metric(family, now_ns))
    found = [
        ScopeMetrics(InstrumentationScope(name, version), metrics, "") for (name, version), metrics in scopes.items()
    ]
    return MetricsData([ResourceMetrics(resource(), found, "")])


def _metric(family: Family, now_ns: int) -> Metric:
    numbers = [_number(point, now_ns) for point in family.points if isinstance(point, NumberPoint)]
    if family.kind == "gauge":
        data: Any = Gauge(numbers)
    elif family.kind == "histogram":
        points = [_histogram(point, now_ns) for point in family.points if isinstance(point, HistogramPoint)]
        data = Histogram(points, _CUMULATIVE)
    else:
        data = Sum(numbers, _CUMULATIVE, family.kind == "counter")
    return Metric(family.name, family.description, family.unit, data)


def _number(point: NumberPoint, now_ns: int) -> NumberDataPoint:
    exemplars = _exemplars([point.exemplar])
    return NumberDataPoint(point.attributes, point.start_unix_ns, now_ns, point.value, exemplars)


def _histogram(point: HistogramPoint, now_ns: int) -> HistogramDataPoint:
    """Return a series; the store keeps no least and greatest value, so the bounds of the outermost buckets stand in."""
    return HistogramDataPoint(
        point.attributes,
        point.start_unix_ns,
        now_ns,
        sum(point.counts),
        point.sum,
        tuple(point.counts),
        tuple(point.boundaries),
        *_range(point),
        _exemplars(point.exemplars),
    )


def _range(point: HistogramPoint) -> tuple[float, float]:
    used = [index for index, count in enumerate(point.counts) if count]
    if not used or not point.boundaries:
        return 0.0, 0.0
    least = point.boundaries[used[0] - 1] if used[0] else 0.0
    return least, point.boundaries[min(used[-1], len(point.boundaries) - 1)]


def _exemplars(found: Sequence[Exemplar | None]) -> list[SdkExemplar]:
    return [
        SdkExemplar({}, value, time_unix_ns, int.from_bytes(span_id, "big"), int.from_bytes(trace_id, "big"))
        for value, time_unix_ns, trace_id, span_id in filter(None, found)
    ]
