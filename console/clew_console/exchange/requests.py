"""What a store holds, as OTLP requests again."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

import orjson
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar, Metric

from clew_console.exchange.format import Frame, Kind
from clew_console.store.log_block import LogBlock
from clew_console.store.pool import SegmentReader
from clew_console.store.span_block import SpanBlock
from clew_console.store.wire import prefixed

MAX_REQUEST_BYTES = 4 << 20
MAX_POINTS = 1000

_RESOURCE, _SCOPES, _RESOURCE_URL = b"\x0a", b"\x12", b"\x1a"
_SCOPE, _RECORD, _SCOPE_URL = b"\x0a", b"\x12", b"\x1a"
_REQUEST = b"\x0a"


def span_frames(reader: SegmentReader) -> Iterator[Frame]:
    """Yield the spans of a segment."""
    for (block_id,) in reader.execute("SELECT id FROM span_block ORDER BY id").fetchall():
        block = SpanBlock(reader.execute("SELECT encoded FROM span_block WHERE id = ?", (block_id,)).fetchone()[0])
        records = ((block.heads[number][:2], block.encoded_span(at)) for at, number in enumerate(block.head))
        yield from _frames(reader, "traces", records)


def log_frames(reader: SegmentReader) -> Iterator[Frame]:
    """Yield the log records of a segment."""
    for (block_id,) in reader.execute("SELECT id FROM log_block ORDER BY id").fetchall():
        block = LogBlock(reader.execute("SELECT encoded FROM log_block WHERE id = ?", (block_id,)).fetchone()[0])
        record = _log_record(block)
        yield from _frames(reader, "logs", ((block.heads[n][:2], record(at)) for at, n in enumerate(block.head)))


def _log_record(block: LogBlock) -> Callable[[int], bytes]:
    bodies, trace_ids, times = block.encoded_bodies, block.trace_ids, block.times

    def record(at: int) -> bytes:
        trace_id, span_id = trace_ids[block.trace[at]], block.span_id(at)
        return b"".join(
            (
                b"\x09" + times[at].to_bytes(8, "little"),
                block.heads[block.head[at]].fields,
                prefixed(b"\x2a", bodies[block.body[at]]),
                *(prefixed(b"\x32", pair) for pair in block.pairs_of(at)),
                prefixed(b"\x4a", trace_id) if trace_id else b"",
                prefixed(b"\x52", span_id) if span_id else b"",
            )
        )

    return record


def _frames(reader: SegmentReader, kind: Kind, records: Iterable[tuple[tuple[int, int], bytes]]) -> Iterator[Frame]:
    """Gather the records of each emitter into requests of about 4 MiB."""
    gathered, size = dict[tuple[int, int], list[bytes]](), 0
    for emitter, record in records:
        if size and size + len(record) > MAX_REQUEST_BYTES:
            yield _frame(reader, kind, gathered)
            gathered, size = {}, 0
        gathered.setdefault(emitter, []).append(record)
        size += len(record)
    if gathered:
        yield _frame(reader, kind, gathered)


def _frame(reader: SegmentReader, kind: Kind, gathered: dict[tuple[int, int], list[bytes]]) -> Frame:
    """Return the request; ResourceSpans, ResourceLogs and what is in them have the same field numbers."""
    content = bytearray()
    for (resource_id, scope_id), records in gathered.items():
        resource, (scope, scope_url) = reader.resources()[resource_id], reader.scopes()[scope_id]
        of_scope = [prefixed(_SCOPE, scope.SerializeToString()), *(prefixed(_RECORD, one) for one in records)]
        of_scope.append(prefixed(_SCOPE_URL, scope_url.encode()))
        of_resource = [prefixed(_RESOURCE, resource.encoded), prefixed(_SCOPES, b"".join(of_scope))]
        of_resource.append(prefixed(_RESOURCE_URL, resource.schema_url.encode()))
        content += prefixed(_REQUEST, b"".join(of_resource))
    return Frame(kind, sum(map(len, gathered.values())), bytes(content))


_POINTS = """
SELECT m.resource_id, m.id, m.name, m.unit, m.type, m.temporality, m.is_monotonic, m.attributes,
    p.time_ns, p.start_ns, p.value, p.count, p.sum, p.buckets, p.exemplars
FROM point p JOIN series m ON m.id = p.series_id ORDER BY m.resource_id, m.name, m.id, p.time_ns
"""


def point_frames(reader: SegmentReader) -> Iterator[Frame]:
    """Yield the points of a segment's metrics."""
    cursor = reader.execute(_POINTS)
    while rows := cursor.fetchmany(MAX_POINTS):
        request = ExportMetricsServiceRequest()
        for resource_id, of_resource in groupby(rows, lambda row: row[0]):
            resource = reader.resources()[resource_id]
            into = request.resource_metrics.add(schema_url=resource.schema_url)
            into.resource.ParseFromString(resource.encoded)
            metrics = into.scope_metrics.add().metrics
            for about, points in groupby(of_resource, lambda row: row[2:7]):
                _fill(metrics.add(), about, points)
        yield Frame("metrics", len(rows), request.SerializeToString())


def _fill(metric: Metric, about: tuple[str, str, str, int, int], rows: Iterable[tuple[object, ...]]) -> None:
    metric.name, metric.unit, kind, temporality, is_monotonic = about
    data = getattr(metric, kind)
    data.SetInParent()
    if kind in {"sum", "histogram", "exponential_histogram"}:
        data.aggregation_temporality = temporality
    if kind == "sum":
        data.is_monotonic = bool(is_monotonic)
    for row in rows:
        _fill_point(data.data_points.add(), kind, row[7:])


def _fill_point(point, kind: str, row) -> None:  # noqa: ANN001 - one of four messages without a common type
    attributes, point.time_unix_nano, point.start_time_unix_nano, value, count, total, buckets, exemplars = row
    point.attributes.extend(key_values(orjson.loads(attributes)))
    if kind in {"gauge", "sum"}:
        if value is not None:
            point.as_double = value
    else:
        point.count = count or 0
        if total is not None:
            point.sum = total
        _fill_buckets(point, kind, orjson.loads(buckets or "{}"))
    if kind != "summary":
        point.exemplars.extend(_exemplar(one) for one in orjson.loads(exemplars or "[]"))


def _fill_buckets(point, kind: str, buckets) -> None:  # noqa: ANN001 - see _fill_point
    if kind == "histogram":
        point.explicit_bounds.extend(buckets["bounds"])
        point.bucket_counts.extend(buckets["counts"])
    elif kind == "summary":
        for one in buckets["quantiles"]:
            point.quantile_values.add(quantile=one["quantile"] or 0.0, value=one["value"] or 0.0)
    else:
        point.scale, point.zero_count = buckets["scale"], buckets["zero_count"]
        for side in ("positive", "negative"):
            getattr(point, side).offset = buckets[side]["offset"]
            getattr(point, side).bucket_counts.extend(buckets[side]["counts"])


def _exemplar(one: dict[str, object]) -> Exemplar:
    found = Exemplar(
        time_unix_nano=one["time_ns"],
        trace_id=bytes.fromhex(str(one["trace_id"])),
        span_id=bytes.fromhex(str(one["span_id"])),
        filtered_attributes=key_values(one["attributes"]),
    )
    if one["value"] is not None:
        found.as_double = one["value"]
    return found


def key_values(attributes) -> Iterator[KeyValue]:  # noqa: ANN001 - a JSON object
    """Yield attributes that were kept as JSON."""
    for key, value in attributes.items():
        yield KeyValue(key=key, value=_any_value(value))


def _any_value(value: object) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case list():
            return AnyValue(array_value={"values": [_any_value(one) for one in value]})
        case dict():
            return AnyValue(kvlist_value={"values": list(key_values(value))})
        case _:
            return AnyValue()
