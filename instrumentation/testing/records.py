"""What was captured, as plain frozen data, decoded by the official protobufs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

Value = str | bool | int | float | bytes | None | list["Value"] | dict[str, "Value"]
"""An attribute's value or a log record's body."""
Attributes = Mapping[str, Value]

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")
_IS_REMOTE = 0x200
"""Bit of a span's flags, from opentelemetry-proto."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a span.

    Attributes:
        name: Such as `exception`.
        time_ns: Unix time, nanoseconds.
        attributes: Of the event.
    """

    name: str
    time_ns: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a span to another.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        attributes: Of the link.
    """

    trace_id: str
    span_id: str
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Span:
    """A span that has ended.

    Attributes:
        name: Its name.
        kind: `internal`, `server`, `client`, `producer` or `consumer`.
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        parent_span_id: 16 hexadecimal digits; empty for a root.
        is_parent_remote: Whether the parent is in another process.
        start_ns: Unix time, nanoseconds.
        end_ns: Unix time, nanoseconds.
        status: `unset`, `ok` or `error`.
        status_message: Of an error.
        attributes: Of the span.
        events: In their order.
        links: In their order.
        scope: Name of the instrumentation scope.
    """

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_span_id: str
    is_parent_remote: bool
    start_ns: int = field(repr=False)
    end_ns: int = field(repr=False)
    status: str
    status_message: str
    attributes: Attributes
    events: Sequence[Event]
    links: Sequence[Link]
    scope: str

    @property
    def seconds(self) -> float:
        """How long it took, by the clock of the test."""
        return (self.end_ns - self.start_ns) / 1e9


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A log record.

    Attributes:
        event: The body.
        level: `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR` or `FATAL`.
        logger: Name of the logger.
        trace_id: 32 hexadecimal digits; empty outside of any span.
        span_id: 16 hexadecimal digits; empty outside of any span.
        time_ns: Unix time, nanoseconds.
        attributes: All else that was logged.
    """

    event: str
    level: str
    logger: str
    trace_id: str
    span_id: str
    time_ns: int = field(repr=False)
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Exemplar:
    """An example of what was measured.

    Attributes:
        value: The measurement, in the metric's unit.
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        time_ns: Unix time, nanoseconds.
    """

    value: float
    trace_id: str
    span_id: str
    time_ns: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class Point:
    """One series of a metric, cumulative since the test began.

    Attributes:
        name: Of the metric, as OpenTelemetry spells it.
        kind: `gauge`, `counter`, `up_down_counter`, `histogram` or `summary`.
        unit: UCUM, such as `s`, `By`, `1`.
        attributes: Of the series: its labels.
        value: Sum or last value; of a histogram or summary the sum of all measurements.
        count: How many measurements a histogram or summary has; else 0.
        boundaries: Upper bounds of a histogram's buckets, inclusive and ascending; the last bucket has none.
        buckets: How many measurements are in each bucket, one more than boundaries.
        exemplars: Examples that lead to traces.
    """

    name: str
    kind: str
    unit: str
    attributes: Attributes
    value: float
    count: int = 0
    boundaries: Sequence[float] = ()
    buckets: Sequence[int] = ()
    exemplars: Sequence[Exemplar] = ()


def spans(bodies: Iterable[bytes]) -> list[Span]:
    """Decode export requests of spans."""
    return [
        _span(span, scope.scope.name)
        for body in bodies
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def logs(bodies: Iterable[bytes]) -> list[LogRecord]:
    """Decode export requests of log records."""
    return [
        _log(record, scope.scope.name)
        for body in bodies
        for resource in ExportLogsServiceRequest.FromString(body).resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


def points(bodies: Iterable[bytes]) -> list[Point]:
    """Decode export requests of metrics."""
    return [
        point
        for body in bodies
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in _points(metric)
    ]


def resource_attributes(body: bytes) -> dict[str, Value]:
    """Decode the resource of an export request of metrics; all signals have the same."""
    resources = ExportMetricsServiceRequest.FromString(body).resource_metrics
    return _attributes(resources[0].resource.attributes) if resources else {}


def _span(span: trace_pb2.Span, scope: str) -> Span:
    return Span(
        span.name,
        KINDS[span.kind],
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        bool(span.flags & _IS_REMOTE),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        STATUSES[span.status.code],
        span.status.message,
        _attributes(span.attributes),
        tuple(Event(event.name, event.time_unix_nano, _attributes(event.attributes)) for event in span.events),
        tuple(Link(link.trace_id.hex(), link.span_id.hex(), _attributes(link.attributes)) for link in span.links),
        scope,
    )


def _log(record: Any, logger: str) -> LogRecord:
    body = _value(record.body)
    return LogRecord(
        body if isinstance(body, str) else repr(body),
        record.severity_text,
        logger,
        record.trace_id.hex(),
        record.span_id.hex(),
        record.time_unix_nano,
        _attributes(record.attributes),
    )


def _points(metric: metrics_pb2.Metric) -> Iterable[Point]:
    name, unit = metric.name, metric.unit
    for point in metric.gauge.data_points:
        yield _number(name, "gauge", unit, point)
    kind = "counter" if metric.sum.is_monotonic else "up_down_counter"
    for point in metric.sum.data_points:
        yield _number(name, kind, unit, point)
    for of_histogram in metric.histogram.data_points:
        yield Point(
            name,
            "histogram",
            unit,
            _attributes(of_histogram.attributes),
            of_histogram.sum,
            of_histogram.count,
            tuple(of_histogram.explicit_bounds),
            tuple(of_histogram.bucket_counts),
            _exemplars(of_histogram.exemplars),
        )
    for of_summary in metric.summary.data_points:
        yield Point(name, "summary", unit, _attributes(of_summary.attributes), of_summary.sum, of_summary.count)


def _number(name: str, kind: str, unit: str, point: metrics_pb2.NumberDataPoint) -> Point:
    value = point.as_int if point.WhichOneof("value") == "as_int" else point.as_double
    return Point(name, kind, unit, _attributes(point.attributes), value, exemplars=_exemplars(point.exemplars))


def _exemplars(exemplars: Iterable[metrics_pb2.Exemplar]) -> tuple[Exemplar, ...]:
    return tuple(
        Exemplar(
            one.as_int if one.WhichOneof("value") == "as_int" else one.as_double,
            one.trace_id.hex(),
            one.span_id.hex(),
            one.time_unix_nano,
        )
        for one in exemplars
    )


def _attributes(attributes: Iterable[KeyValue]) -> dict[str, Value]:
    return {one.key: _value(one.value) for one in attributes}


def _value(value: AnyValue) -> Value:
    match value.WhichOneof("value"):
        case "array_value":
            return [_value(one) for one in value.array_value.values]
        case "kvlist_value":
            return _attributes(value.kvlist_value.values)
        case None:
            return None
        case field_name:
            return getattr(value, field_name)
