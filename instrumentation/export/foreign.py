"""Turn metrics of prometheus_client into families of the kit, so that they can be pushed as OTLP.

Names stay as Prometheus has them, as the Collector's own receiver does it. Source:
https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#prometheus-metric-points-to-otlp
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from prometheus_client import Metric
from prometheus_client.samples import Exemplar as ClientExemplar
from prometheus_client.samples import Sample

from instrumentation.encode.family import Exemplar, Family, HistogramPoint, Kind, NumberPoint, Point, SummaryPoint

SCOPE = "prometheus_client"

_SURROGATES = re.compile("[\ud800-\udfff]")
_Labels = tuple[tuple[str, str], ...]


def sanitised(metric: Metric) -> Metric:
    """Return the metric with U+FFFD for lone surrogates in its texts: one such label would fail every scrape."""
    if not any(_SURROGATES.search(text) for text in _texts(metric)):
        return metric
    clean = Metric(metric.name, _sane(metric.documentation), metric.type)
    clean.unit = metric.unit
    clean.samples = [
        sample._replace(labels={name: _sane(value) for name, value in sample.labels.items()})
        for sample in metric.samples
    ]
    return clean


def _texts(metric: Metric) -> Iterable[str]:
    yield metric.documentation
    for sample in metric.samples:
        yield from sample.labels.values()


def _sane(text: str) -> str:
    return _SURROGATES.sub("\ufffd", text)


def family_of(metric: Metric) -> list[Family]:
    """Convert a metric; one whose type OTLP does not know becomes gauges, one per sample name."""
    match metric.type:
        case "counter":
            return [_family(metric, f"{metric.name}_total", "counter", _numbers(metric, f"{metric.name}_total"))]
        case "histogram":
            return [_family(metric, metric.name, "histogram", _by_series(metric, "le", _histogram))]
        case "summary":
            return [_family(metric, metric.name, "summary", _by_series(metric, "quantile", _summary))]
        case _:
            names = dict.fromkeys(sample.name for sample in metric.samples if not sample.name.endswith("_created"))
            return [_family(metric, name, "gauge", _numbers(metric, name)) for name in names]


def _family(metric: Metric, name: str, kind: Kind, points: Sequence[Point]) -> Family:
    return Family(name, kind, "", metric.documentation, SCOPE, points=points)


def _numbers(metric: Metric, name: str) -> list[Point]:
    created = {_labels(sample): _ns(sample.value) for sample in metric.samples if sample.name.endswith("_created")}
    return [
        NumberPoint(sample.labels, created.get(_labels(sample), 0), float(sample.value), _exemplar(sample.exemplar))
        for sample in metric.samples
        if sample.name == name
    ]


def _by_series(metric: Metric, own_label: str, convert: Callable[[_Labels, str, list[Sample]], Point]) -> list[Point]:
    series: dict[_Labels, list[Sample]] = {}
    for sample in metric.samples:
        series.setdefault(_labels(sample, own_label), []).append(sample)
    return [convert(labels, metric.name, samples) for labels, samples in series.items()]


def _histogram(labels: _Labels, name: str, samples: list[Sample]) -> Point:
    buckets = sorted(
        ((float(sample.labels["le"]), sample) for sample in samples if sample.name == f"{name}_bucket"),
        key=lambda pair: pair[0],
    )
    cumulative = [0, *(int(sample.value) for _, sample in buckets)]
    return HistogramPoint(
        dict(labels),
        _ns(_single(samples, f"{name}_created")),
        [bound for bound, _ in buckets if math.isfinite(bound)],
        [high - low for low, high in pairwise(cumulative)],
        _single(samples, f"{name}_sum"),
        [_exemplar(sample.exemplar) for _, sample in buckets],
    )


def _summary(labels: _Labels, name: str, samples: list[Sample]) -> Point:
    quantiles = [(float(sample.labels["quantile"]), sample.value) for sample in samples if sample.name == name]
    count, total = int(_single(samples, f"{name}_count")), _single(samples, f"{name}_sum")
    return SummaryPoint(dict(labels), _ns(_single(samples, f"{name}_created")), count, total, quantiles)


def _labels(sample: Sample, own_label: str = "") -> _Labels:
    return tuple(sorted((name, value) for name, value in sample.labels.items() if name != own_label))


def _single(samples: list[Sample], name: str) -> float:
    return next((sample.value for sample in samples if sample.name == name), 0.0)


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)


def _exemplar(exemplar: ClientExemplar | None) -> Exemplar | None:
    """Keep an exemplar that names a trace as OpenTelemetry does; OTLP has no place for another."""
    if exemplar is None:
        return None
    try:
        trace_id = bytes.fromhex(exemplar.labels.get("trace_id", ""))
        span_id = bytes.fromhex(exemplar.labels.get("span_id", ""))
    except ValueError:
        return None
    if len(trace_id) != 16 or len(span_id) not in (0, 8):
        return None
    return float(exemplar.value), _ns(float(exemplar.timestamp or 0)), trace_id, span_id
