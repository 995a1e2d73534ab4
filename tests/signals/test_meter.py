"""OpenTelemetry's metrics API writes into the store that is current, whichever that is."""

import pytest
from opentelemetry import metrics, trace
from opentelemetry.metrics import Observation
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from instrumentation.signals.meter import StoreMeterProvider
from instrumentation.signals.metric import DEFAULT_BOUNDARIES, MetricStore


class Ref:
    store = None


@pytest.fixture
def ref():
    return Ref()


@pytest.fixture
def meter(ref):
    return StoreMeterProvider(ref).get_meter("scope", "1")


def values(store):
    return {family.name: [point.value for point in family.points] for family in store.snapshot()}


def span_context(flags):
    return trace.set_span_in_context(NonRecordingSpan(SpanContext(0xABC, 0xDEF, False, TraceFlags(flags))))


def test_all_instruments_are_the_apis(meter):
    """Each instrument is an instance of the API's class, so isinstance checks of other libraries hold."""
    assert isinstance(meter.create_counter("a"), metrics.Counter)
    assert isinstance(meter.create_up_down_counter("b"), metrics.UpDownCounter)
    assert isinstance(meter.create_histogram("c"), metrics.Histogram)
    assert isinstance(meter.create_observable_counter("d"), metrics.ObservableCounter)
    assert isinstance(meter.create_observable_up_down_counter("e"), metrics.ObservableUpDownCounter)
    assert isinstance(meter.create_observable_gauge("f"), metrics.ObservableGauge)
    meter.create_gauge("g").set(1)


def test_without_a_store_calls_do_nothing_and_later_ones_count(ref):
    """Instruments made before there is a store count from its arrival on, and move to the next one."""
    provider = StoreMeterProvider(ref)
    meter = provider.get_meter("scope")
    counter = meter.create_counter("c")
    meter.create_observable_gauge("o", [lambda options: [Observation(7)]])
    counter.add(1)
    first = ref.store = MetricStore()
    provider.rebind()
    counter.add(2)
    second = ref.store = MetricStore()
    provider.rebind()
    provider.rebind()
    counter.add(3)
    assert values(first) == {"c": [2], "o": [7]}
    assert values(second) == {"c": [3], "o": [7]}
    ref.store = None
    counter.add(4)
    assert values(second)["c"] == [3]


def test_boundaries_are_honoured(ref, meter):
    """Advised boundaries are used, and OpenTelemetry's default ones without advice."""
    ref.store = MetricStore()
    meter.create_histogram("advised", explicit_bucket_boundaries_advisory=[1, 2]).record(1)
    meter.create_histogram("plain").record(1)
    advised, plain = ref.store.snapshot()
    assert (advised.points[0].boundaries, plain.points[0].boundaries) == ((1, 2), DEFAULT_BOUNDARIES)
    assert (plain.scope, plain.scope_version) == ("scope", "1")


def test_exemplars_only_from_sampled_spans(ref, meter):
    """A sampled span, current or given, becomes the exemplar; an unsampled one does not."""
    ref.store = MetricStore()
    histogram, counter = meter.create_histogram("h"), meter.create_counter("c")
    histogram.record(1, context=span_context(0))
    counter.add(1, context=span_context(0))
    assert [e for family in ref.store.snapshot() for p in family.points for e in getattr(p, "exemplars", ()) if e] == []
    histogram.record(1, context=span_context(1))
    with trace.use_span(NonRecordingSpan(SpanContext(0x1, 0x2, False, TraceFlags(1)))):
        counter.add(1)
    h, c = ref.store.snapshot()
    [exemplar] = [e for e in h.points[0].exemplars if e]
    assert exemplar[2:] == ((0xABC).to_bytes(16, "big"), (0xDEF).to_bytes(8, "big"))
    assert c.points[0].exemplar[2:] == ((1).to_bytes(16, "big"), (2).to_bytes(8, "big"))


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), "1", None])
def test_unusable_amounts_are_ignored(ref, meter, amount):
    """What is no finite number neither raises nor spoils a sum."""
    ref.store = MetricStore()
    for use in (meter.create_counter("c").add, meter.create_up_down_counter("u").add, meter.create_gauge("g").set):
        use(amount)
        use(2)
    histogram = meter.create_histogram("h")
    histogram.record(amount)
    histogram.record(-1)
    histogram.record(2)
    c, u, g, h = ref.store.snapshot()
    assert [c.points[0].value, u.points[0].value, g.points[0].value, h.points[0].sum] == [2, 2, 2, 2]
    assert sum(h.points[0].counts) == 1


def test_generator_callbacks(ref, meter):
    """A generator as callback is asked again and again with the options, as the API allows."""
    ref.store = MetricStore()

    def generator():
        options = yield
        n = 0
        while True:
            assert options.timeout_millis > 0
            n += 1
            options = yield [Observation(n, {"a": "b"})]

    meter.create_observable_counter("o", [generator()])
    assert [values(ref.store)["o"] for _ in range(3)] == [[1], [2], [3]]
