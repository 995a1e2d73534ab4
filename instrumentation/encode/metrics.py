"""Encode a metric snapshot as OTLP: one Metric message per family, cumulative.

Source: https://github.com/open-telemetry/opentelemetry-proto, opentelemetry/proto/metrics/v1/metrics.proto.
"""

from collections.abc import Iterable, Sequence
from struct import pack

from instrumentation.encode.family import Exemplar, Family, HistogramPoint, NumberPoint, Point, SummaryPoint
from instrumentation.encode.otlp import attributes
from instrumentation.encode.protobuf import field_bytes, field_double, field_fixed64, field_varint, text

_DATA_FIELD = {"gauge": 5, "counter": 7, "up_down_counter": 7, "histogram": 9, "summary": 11}
_CUMULATIVE = field_varint(2, 2)
_MONOTONIC = field_varint(3, 1)
_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1


def encode(snapshot: Iterable[Family], time_unix_ns: int) -> list[tuple[tuple[str, str], bytes, int]]:
    """Encode each family.

    Returns:
        Name and version of the instrumentation scope, Metric message, number of data points.
    """
    return [
        ((family.scope, family.scope_version), _metric(family, time_unix_ns), len(family.points)) for family in snapshot
    ]


def _metric(family: Family, time_unix_ns: int) -> bytes:
    out = field_bytes(1, text(family.name))
    if family.description:
        out += field_bytes(2, text(family.description))
    if family.unit:
        out += field_bytes(3, text(family.unit))
    return out + field_bytes(_DATA_FIELD[family.kind], _data(family, time_unix_ns))


def _data(family: Family, time_unix_ns: int) -> bytes:
    points = b"".join([field_bytes(1, _point(point, time_unix_ns)) for point in family.points])
    if family.kind in ("gauge", "summary"):
        return points
    return points + _CUMULATIVE + (_MONOTONIC if family.kind == "counter" else b"")


def _point(point: Point, time_unix_ns: int) -> bytes:
    times = (field_fixed64(2, point.start_unix_ns) if point.start_unix_ns else b"") + field_fixed64(3, time_unix_ns)
    match point:
        case NumberPoint():
            return times + _number(point)
        case HistogramPoint():
            return times + _histogram(point)
        case SummaryPoint():
            return times + _summary(point)


def _number(point: NumberPoint) -> bytes:
    exemplar = field_bytes(5, _exemplar(point.exemplar)) if point.exemplar else b""
    return _value(point.value, 4) + exemplar + attributes(7, point.attributes)


def _value(value: float, double_field: int) -> bytes:
    """Encode a number; the integer's field is 6 in data points and exemplars alike."""
    if isinstance(value, int) and _INT64_MIN <= value <= _INT64_MAX:
        return field_fixed64(6, value & 0xFFFF_FFFF_FFFF_FFFF)
    return field_double(double_field, float(value))


def _histogram(point: HistogramPoint) -> bytes:
    counts, boundaries = point.counts, point.boundaries
    out = field_fixed64(4, sum(counts)) + field_double(5, point.sum)
    out += field_bytes(6, pack(f"<{len(counts)}Q", *counts)) + field_bytes(7, pack(f"<{len(boundaries)}d", *boundaries))
    out += b"".join([field_bytes(8, _exemplar(exemplar)) for exemplar in point.exemplars if exemplar])
    return out + attributes(9, point.attributes)


def _summary(point: SummaryPoint) -> bytes:
    quantiles = _quantiles(point.quantiles)
    return field_fixed64(4, point.count) + field_double(5, point.sum) + quantiles + attributes(7, point.attributes)


def _quantiles(quantiles: Sequence[tuple[float, float]]) -> bytes:
    return b"".join(
        [field_bytes(6, field_double(1, quantile) + field_double(2, value)) for quantile, value in quantiles]
    )


def _exemplar(exemplar: Exemplar) -> bytes:
    value, time_unix_ns, trace_id, span_id = exemplar
    return field_fixed64(2, time_unix_ns) + _value(value, 3) + field_bytes(4, span_id) + field_bytes(5, trace_id)
