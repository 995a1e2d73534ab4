"""Metric export requests as rows of a segment."""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Exemplar,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    SummaryDataPoint,
)

from clew_console.store.identities import Identities
from clew_console.store.span_scan import MAX_TIME_NS
from clew_console.store.value import Value, json_text, python_attributes

Point: TypeAlias = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint | SummaryDataPoint

_INSERT = (
    "INSERT INTO point (series_id, time_ns, start_ns, value, count, sum, buckets, exemplars) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


def write_metrics(identities: Identities, data: bytes) -> None:
    """Insert every point of an encoded request."""
    request = ExportMetricsServiceRequest.FromString(data)
    for resource_metrics in request.resource_metrics:
        resource_id = identities.resource(
            resource_metrics.resource.SerializeToString(deterministic=True), resource_metrics.schema_url.encode()
        )
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                identities.connection.executemany(_INSERT, _rows(identities, resource_id, metric))


def _rows(identities: Identities, resource_id: int, metric: Metric) -> Iterator[tuple[object, ...]]:
    kind = metric.WhichOneof("data")
    if kind is None:
        return
    data = getattr(metric, kind)
    temporality, is_monotonic = getattr(data, "aggregation_temporality", 0), getattr(data, "is_monotonic", False)
    for point in data.data_points:
        attributes = json_text(dict(sorted(python_attributes(point.attributes).items())))
        series_id = identities.series(
            resource_id, metric.name, metric.unit, kind, temporality, is_monotonic, attributes
        )
        time_ns, start_ns = min(point.time_unix_nano, MAX_TIME_NS), min(point.start_time_unix_nano, MAX_TIME_NS)
        yield series_id, time_ns, start_ns, *_measured(point), _exemplars(point)


def _measured(point: Point) -> tuple[float | None, int | None, float | None, str | None]:
    """Return value, count, sum and buckets."""
    if isinstance(point, NumberDataPoint):
        which = point.WhichOneof("value")
        return (None if which is None else float(getattr(point, which))), None, None, None
    has_sum = isinstance(point, SummaryDataPoint) or point.HasField("sum")
    return None, min(point.count, MAX_TIME_NS), point.sum if has_sum else None, json_text(_buckets(point))


def _buckets(point: HistogramDataPoint | ExponentialHistogramDataPoint | SummaryDataPoint) -> Value:
    if isinstance(point, HistogramDataPoint):
        return {"bounds": list(point.explicit_bounds), "counts": list(point.bucket_counts)}
    if isinstance(point, SummaryDataPoint):
        return {"quantiles": [{"quantile": one.quantile, "value": one.value} for one in point.quantile_values]}
    return {
        "scale": point.scale,
        "zero_count": point.zero_count,
        "positive": {"offset": point.positive.offset, "counts": list(point.positive.bucket_counts)},
        "negative": {"offset": point.negative.offset, "counts": list(point.negative.bucket_counts)},
    }


def _exemplars(point: Point) -> str | None:
    found: Iterable[Exemplar] = () if isinstance(point, SummaryDataPoint) else point.exemplars
    exemplars: list[Value] = [_exemplar(exemplar) for exemplar in found]
    return json_text(exemplars) if exemplars else None


def _exemplar(exemplar: Exemplar) -> Value:
    which = exemplar.WhichOneof("value")
    return {
        "time_ns": exemplar.time_unix_nano,
        "value": None if which is None else float(getattr(exemplar, which)),
        "trace_id": exemplar.trace_id.hex(),
        "span_id": exemplar.span_id.hex(),
        "attributes": python_attributes(exemplar.filtered_attributes),
    }
