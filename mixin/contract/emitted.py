"""What a run emitted, under the names that Prometheus, Loki and Tempo give it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from instrumentation import semconv
from instrumentation.encode.family import Kind
from instrumentation.encode.prometheus_name import label_name, metric_name

Values = dict[str, set[str]]
"""Values by label or attribute."""

PROMOTED = (semconv.SERVICE_NAME, semconv.SERVICE_VERSION, semconv.SERVICE_INSTANCE_ID, semconv.DEPLOYMENT_ROLE)
"""Resource attributes that prometheus/prometheus.yml makes labels of every series."""
BY_LOKI = ("trace_id", "span_id", "detected_level", "severity_text", "severity_number")
"""What Loki itself puts on a record of OTLP."""


@dataclass(slots=True)
class Emitted:
    """Names and values of a run.

    Attributes:
        metrics: By series name; labels and their values.
        logs: Keys of log records as Loki names them.
        spans: Attributes with their scope, such as `resource.service.name`.
        exemplar_labels: Of the exemplars.
    """

    metrics: dict[str, Values] = field(default_factory=dict[str, Values])
    logs: Values = field(default_factory=Values)
    spans: Values = field(default_factory=Values)
    exemplar_labels: set[str] = field(default_factory=set[str])

    def add_metric(self, resource: Mapping[str, object], metric: Any) -> None:
        """Add a Metric message of OTLP."""
        kind = _kind(metric)
        base = metric_name(metric.name, kind, metric.unit)
        promoted = {key: resource[key] for key in PROMOTED if key in resource}
        for point in getattr(metric, metric.WhichOneof("data")).data_points:
            labels = {label_name(key): str(value) for key, value in {**promoted, **plain(point.attributes)}.items()}
            for series in (f"{base}_bucket", f"{base}_count", f"{base}_sum") if kind == "histogram" else (base,):
                _put(self.metrics.setdefault(series, {}), labels)
            if kind == "histogram":
                bounds = self.metrics[f"{base}_bucket"].setdefault("le", set())
                bounds.update(f"{bound:g}" for bound in point.explicit_bounds)
            if point.exemplars:
                self.exemplar_labels.update(("trace_id", "span_id"))

    def add_log(self, resource: Mapping[str, object], record: Any) -> None:
        """Add a LogRecord message of OTLP."""
        _put(
            self.logs, {label_name(key): str(value) for key, value in {**resource, **plain(record.attributes)}.items()}
        )
        _put(self.logs, dict.fromkeys(BY_LOKI, ""))

    def add_span(self, resource: Mapping[str, object], span: Any) -> None:
        """Add a Span message of OTLP."""
        _put(self.spans, {f"resource.{key}": str(value) for key, value in resource.items()})
        _put(self.spans, {f"span.{key}": str(value) for key, value in plain(span.attributes).items()})

    def without(self, metric: str) -> "Emitted":
        """Return the same without a metric, given by its Prometheus name, as if it had another name now."""
        gone = {metric, f"{metric}_bucket", f"{metric}_count", f"{metric}_sum"}
        kept = {name: labels for name, labels in self.metrics.items() if name not in gone}
        return Emitted(kept, self.logs, self.spans, self.exemplar_labels)


def of_otlp(
    metrics: Iterable[tuple[Any, Any, Any]], logs: Iterable[tuple[Any, Any, Any]], spans: Iterable[tuple[Any, Any, Any]]
) -> Emitted:
    """Gather what was received: (resource, scope, record) triples of each signal."""
    found = Emitted()
    for resource, _, metric in metrics:
        found.add_metric(plain(resource.attributes), metric)
    for resource, _, record in logs:
        found.add_log(plain(resource.attributes), record)
    for resource, _, span in spans:
        found.add_span(plain(resource.attributes), span)
    return found


def plain(attributes: Sequence[Any]) -> dict[str, object]:
    """Return protobuf KeyValues as a dict of Python values; lists and maps as they are."""
    return {
        item.key: _text(getattr(item.value, item.value.WhichOneof("value") or "string_value")) for item in attributes
    }


def _text(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def _kind(metric: Any) -> Kind:
    data: str = metric.WhichOneof("data")
    if data == "sum":
        return "counter" if metric.sum.is_monotonic else "up_down_counter"
    return "histogram" if data == "histogram" else "gauge"


def _put(values: Values, labels: Mapping[str, str]) -> None:
    for name, value in labels.items():
        values.setdefault(name, set()).add(value)
