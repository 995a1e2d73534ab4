"""OTLP metrics: the official protobufs read what the SDK's encoder would have written."""

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.metrics import Observation
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from instrumentation.encode.family import Family, NumberPoint, SummaryPoint
from instrumentation.encode.metrics import encode
from instrumentation.signals.meter import StoreMeterProvider
from instrumentation.signals.metric import MetricStore

SAMPLED = trace.set_span_in_context(NonRecordingSpan(SpanContext(0xABC, 0xDEF, False, TraceFlags(1))))


class Ref:
    def __init__(self, store):
        self.store = store


def program(provider):
    """Use every instrument once, with each type of attribute, an exemplar in two buckets, and integers and floats."""
    meter = provider.get_meter("shop", "1.2")
    route = {"http.route": "/a", "code": 200, "ok": True, "share": 0.5}
    histogram = meter.create_histogram(
        "h", unit="s", description="Duration.", explicit_bucket_boundaries_advisory=[0.1, 1.0]
    )
    for value, context in ((0.05, SAMPLED), (0.1, None), (0.5, None), (7.5, SAMPLED)):
        histogram.record(value, route, context)
    meter.create_histogram("plain").record(30.0)
    meter.create_counter("c", unit="By").add(3, {"kind": "x"}, SAMPLED)
    meter.create_counter("f").add(0.25)
    up_down = meter.create_up_down_counter("u", unit="{item}")
    up_down.add(5)
    up_down.add(-7)
    meter.create_gauge("g", unit="1").set(0.5, {"kind": "x"})
    meter.create_observable_counter("oc", [lambda options: [Observation(4, {"n": 1}), Observation(5, {"n": 2})]])
    meter.create_observable_up_down_counter("ou", [lambda options: [Observation(-4)]])
    meter.create_observable_gauge("og", [lambda options: [Observation(1.5)]])


def points(metric):
    return getattr(metric, metric.WhichOneof("data")).data_points


def comparable(metric):
    """Take away clocks, and minimum and maximum: the kit keeps none, of a cumulative series they say little."""
    for point in points(metric):
        point.time_unix_nano = 1
        point.start_time_unix_nano = int(bool(point.start_time_unix_nano))
        for exemplar in point.exemplars:
            exemplar.time_unix_nano = 1
        attributes = sorted(point.attributes, key=lambda pair: pair.key)
        del point.attributes[:]
        point.attributes.extend(attributes)
        if metric.HasField("histogram"):
            point.ClearField("min")
            point.ClearField("max")
    return metric


def by_sdk():
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    program(provider)
    request = encode_metrics(reader.get_metrics_data())
    provider.shutdown()
    return {m.name: comparable(m) for r in request.resource_metrics for s in r.scope_metrics for m in s.metrics}


def by_kit():
    store = MetricStore()
    program(StoreMeterProvider(Ref(store)))
    encoded = encode(store.snapshot(), 10**18)
    metrics = [(scope, Metric.FromString(data), count) for scope, data, count in encoded]
    assert {scope for scope, _, _ in metrics} == {("shop", "1.2")}
    assert all(len(points(metric)) == count for _, metric, count in metrics)
    return {metric.name: comparable(metric) for _, metric, _ in metrics}


def test_whole_records_equal_the_sdks():
    """The same program gives the same Metric messages through the kit as through the SDK."""
    expected, actual = by_sdk(), by_kit()
    assert actual.keys() == expected.keys()
    for name, metric in expected.items():
        assert actual[name] == metric


def test_summary_is_encoded_whole():
    """A summary keeps count, sum, quantiles, start and attributes."""
    family = Family("s", "summary", points=[SummaryPoint({"a": "b"}, 5, 3, 1.5, [(0.5, 0.25)])])
    [(_, data, count)] = encode([family], 9)
    [point] = Metric.FromString(data).summary.data_points
    assert count == 1
    assert (point.count, point.sum, point.start_time_unix_nano, point.time_unix_nano) == (3, 1.5, 5, 9)
    assert [(q.quantile, q.value) for q in point.quantile_values] == [(0.5, 0.25)]
    assert point.attributes[0].value.string_value == "b"


def test_integer_beyond_64_bits_becomes_a_double():
    """A sum that outgrows OTLP's integer goes on as a double."""
    family = Family("c", "counter", points=[NumberPoint({}, 1, 2**64), NumberPoint({}, 1, -(2**63))])
    [(_, data, _)] = encode([family], 9)
    big, small = Metric.FromString(data).sum.data_points
    assert (big.as_double, small.as_int) == (2.0**64, -(2**63))
