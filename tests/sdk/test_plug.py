"""What OpenTelemetry's SDK brings is used by the kit as by the SDK itself."""

import json
import sys

import pytest
from opentelemetry import context as otel_context
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from instrumentation.guard import Guard
from instrumentation.sampling import sampler
from instrumentation.sdk.plug import Plugs
from instrumentation.settings import Settings
from instrumentation.signals import span as kit_span
from instrumentation.signals.log import INFO, LogEmitter
from instrumentation.signals.logger import StoreLoggerProvider
from instrumentation.signals.metric import MetricStore

RESOURCE = {"service.name": "svc", "service.version": "1"}
REMOTE = SpanContext(0xAB, 0xCD, True, TraceFlags(1), TraceState([("v", "1")]))


@pytest.fixture
def plugged():
    """Return a function that makes a tracer provider, its sink, a log emitter and the plugs, for given settings."""

    def make(store=None, **settings):
        class Sink(list):
            def add(self, scope, record):
                self.append((scope, record))

            def defer(self, encode, parts, _size):
                self.append(encode(parts))

        settings = Settings.from_env({}, **settings)
        store = store or MetricStore()
        plugs = Plugs(settings, lambda: RESOURCE, store.snapshot, Guard(strict=True), pytest.fail)
        provider, sink = kit_span.TracerProvider(), Sink()
        provider.target = kit_span.SpanSettings(
            plugs.traces(sink), sampler(settings.sampler), start_span=plugs.start_span(), max_events=2
        )
        return provider, sink, LogEmitter("svc", plugs.logs(Sink()), None), plugs

    return make


def work(provider):
    """Make spans with every field set."""
    tracer = provider.get_tracer("lib", "1.0", attributes={"a": 1})
    around = set_span_in_context(NonRecordingSpan(REMOTE), otel_context.Context())
    attributes = {"s": "x", "i": -1, "f": 1.5, "b": True, "l": ["a", "b"], "n": [1, 2]}
    parent = tracer.start_span(
        "parent", around, SpanKind.SERVER, attributes, [Link(REMOTE, {"k": "v"})], start_time=1_000
    )
    parent.add_event("one", {"e": 1}, timestamp=1_500)
    parent.add_event("two", timestamp=1_600)
    parent.set_status(kit_span.StatusCode.ERROR, "no good")
    child = tracer.start_span("child", set_span_in_context(parent), SpanKind.CLIENT, start_time=1_100)
    child.end(1_900)
    parent.update_name("renamed")
    parent.end(2_000)


def readable(span):
    """Return a readable span as plain data; ids that are drawn at random are named by what they belong to."""
    as_json = json.loads(span.to_json())
    as_json["context"].pop("span_id")
    if as_json["name"] == "child":
        as_json.pop("parent_id")
    scope = span.instrumentation_scope
    return as_json, scope.name, scope.version, dict(scope.attributes), span.parent.is_remote, dict(span.attributes)


def test_a_readable_span_is_the_sdk_s(plugged):
    """An exporter of the SDK is handed the same spans by the kit as by the SDK, field by field."""
    theirs, ours = InMemorySpanExporter(), InMemorySpanExporter()
    sdk = TracerProvider(resource=Resource(RESOURCE))
    sdk.add_span_processor(SimpleSpanProcessor(theirs))
    provider, sink, _, _ = plugged(span_processors=[SimpleSpanProcessor(ours)])
    work(sdk)
    work(provider)
    assert [readable(span) for span in ours.get_finished_spans()] == [
        readable(span) for span in theirs.get_finished_spans()
    ]
    assert len(sink) == 2


def test_processors_see_the_start_in_their_order_and_may_change_the_span(plugged, plain):
    """on_start gets a span that can be read and written, with its parent's context, on_end what became of it."""
    seen = []

    class Marking(SpanProcessor):
        def on_start(self, span, parent_context=None):
            seen.append(("start", span.name, span.attributes["given"], span.context.is_valid))
            span.set_attribute("marked", True)

        def on_end(self, span):
            seen.append(("end", span.name, dict(span.attributes)))

    provider, _, _, _ = plugged(span_processors=[Marking(), Marking()])
    provider.get_tracer("t").start_span("s", attributes={"given": 1}).end()
    assert seen == [("start", "s", 1, True)] * 2 + [("end", "s", {"given": 1, "marked": True})] * 2


class Attribute(Sampler):
    """Keeps spans by an attribute, marks them and sets a trace state."""

    def should_sample(self, parent_context, trace_id, name, kind=None, attributes=None, links=None):
        keep = bool(attributes and attributes.get("keep"))
        decision = Decision.RECORD_AND_SAMPLE if keep else Decision.DROP
        return SamplingResult(decision, {"sampler": "attribute"}, TraceState([("s", "1")]))

    def get_description(self):
        return "attribute"


def test_a_sampler_of_the_sdk_decides(plugged):
    """A sampler sees attributes, sets attributes and trace state, and what it drops is not exported."""
    spans = InMemorySpanExporter()
    provider, _, _, _ = plugged(otel_sampler=Attribute(), span_processors=[SimpleSpanProcessor(spans)])
    tracer = provider.get_tracer("t")
    dropped, kept = tracer.start_span("dropped"), tracer.start_span("kept", attributes={"keep": True})
    assert not dropped.is_recording()
    assert not dropped.get_span_context().trace_flags.sampled
    dropped.end()
    kept.end()
    (span,) = spans.get_finished_spans()
    assert dict(span.attributes) == {"keep": True, "sampler": "attribute"}
    assert (span.name, span.context.trace_state["s"]) == ("kept", "1")


@pytest.mark.parametrize(("flags", "expected"), [(1, ["s"]), (0, [])])
def test_a_parent_based_sampler_follows_the_caller(plugged, flags, expected):
    """ParentBased sees the caller that an entry point read from headers."""
    from instrumentation.context import Parent

    spans = InMemorySpanExporter()
    provider, _, _, _ = plugged(otel_sampler=ParentBased(ALWAYS_OFF), span_processors=[SimpleSpanProcessor(spans)])
    caller = Parent(bytes(15) + b"\1", bytes(7) + b"\1", bool(flags))
    provider.get_tracer("t").start("s", SpanKind.SERVER, caller).end()
    assert [span.name for span in spans.get_finished_spans()] == expected


def test_the_ratio_sampler_keeps_what_the_kit_s_keeps():
    """traceidratio of the kit and TraceIdRatioBased of the SDK decide alike for each trace."""
    import random

    draw = random.Random(7)
    for ratio in (0.0, 0.1, 0.5, 1.0):
        ours, theirs = sampler("traceidratio", ratio), TraceIdRatioBased(ratio)
        for _ in range(2000):
            trace_id = draw.getrandbits(128)
            decision = theirs.should_sample(None, trace_id, "s").decision
            assert ours(None, trace_id.to_bytes(16, "big")) == decision.is_sampled()


def test_a_readable_log_record_is_the_sdk_s(plugged):
    """A log exporter of the SDK is handed the same record by the kit as by the SDK, field by field."""
    from opentelemetry._logs import SeverityNumber

    theirs, ours = InMemoryLogRecordExporter(), InMemoryLogRecordExporter()
    sdk = LoggerProvider(resource=Resource(RESOURCE))
    sdk.add_log_record_processor(SimpleLogRecordProcessor(theirs))
    _, _, emitter, _ = plugged(log_record_processors=[SimpleLogRecordProcessor(ours)])
    provider = StoreLoggerProvider()
    provider.target = emitter
    around = set_span_in_context(NonRecordingSpan(REMOTE), otel_context.Context())
    for each in (sdk, provider):
        each.get_logger("lib", "1.0").emit(
            timestamp=1_000,
            observed_timestamp=2_000,
            context=around,
            severity_number=SeverityNumber.ERROR,
            severity_text="ERROR",
            body={"a": [1, 2.5, None, True]},
            attributes={"k": "v", "n": 3},
            event_name="happened",
        )
    ((mine,), (their,)) = ours.get_finished_logs(), theirs.get_finished_logs()
    assert json.loads(mine.to_json()) == json.loads(their.to_json())
    assert mine.instrumentation_scope.name == "lib"


def test_logs_of_the_kit_reach_log_processors(plugged):
    """A line of structlog or logging is shown to processors too."""
    exporter = InMemoryLogRecordExporter()
    _, _, emitter, _ = plugged(log_record_processors=[SimpleLogRecordProcessor(exporter)])
    emitter.emit(INFO, "shop", "placed", {"order": 7})
    (found,) = exporter.get_finished_logs()
    assert (found.log_record.body, dict(found.log_record.attributes)) == ("placed", {"order": 7})


def test_a_metric_reader_collects_from_the_store(plugged):
    """A reader of the SDK sees counters, gauges and histograms with the values of the other exits."""
    store, reader = MetricStore(), InMemoryMetricReader()
    plugged(store, metric_readers=[reader])
    store.counter("orders", unit="1").cell({"kind": "a"}).add(3)
    store.gauge("level").cell({}).set(2.5)
    store.histogram("took", unit="s", boundaries=(1.0, 2.0)).cell({}).observe(1.5, b"\1" * 16, b"\2" * 8)
    (resource,) = reader.get_metrics_data().resource_metrics
    assert dict(resource.resource.attributes) == RESOURCE
    found = {metric.name: metric.data for scope in resource.scope_metrics for metric in scope.metrics}
    (orders,), (level,), (took,) = (found[name].data_points for name in ("orders", "level", "took"))
    assert (orders.value, dict(orders.attributes), found["orders"].is_monotonic) == (3, {"kind": "a"}, True)
    assert level.value == 2.5
    assert (took.count, took.sum, took.bucket_counts, took.explicit_bounds) == (1, 1.5, (0, 1, 0), (1.0, 2.0))
    assert took.exemplars[0].trace_id == int.from_bytes(b"\1" * 16, "big")


def test_a_processor_that_raises_costs_nothing_else(kit):
    """What a foreign processor raises is counted, and the span still leaves."""

    class Broken(SpanProcessor):
        def on_start(self, span, parent_context=None):
            raise RuntimeError("start")

        def on_end(self, span):
            raise RuntimeError("end")

    guard = Guard(strict=False)
    plugs = Plugs(Settings(span_processors=(Broken(),)), lambda: RESOURCE, list, guard, pytest.fail)
    provider = kit_span.TracerProvider()
    provider.target = kit_span.SpanSettings(
        plugs.traces(kit.spans), sampler("always_on"), start_span=plugs.start_span()
    )
    provider.get_tracer("t").start_span("s").end()
    assert (len(kit.spans), guard.failures) == (1, 2)


@pytest.mark.slow
def test_console_exporters_by_the_environment(run, otlp_sink):
    """OTEL_*_EXPORTER=console prints each signal as the SDK does, beside or instead of OTLP."""
    code = """
    import logging
    from instrumentation import instrument, span
    from opentelemetry import metrics
    telemetry = instrument(service_name="a")
    metrics.get_meter("m").create_counter("orders").add(1)
    with span("work"):
        logging.getLogger("x").warning("hello")
    assert telemetry.flush()
    """
    environment = {f"OTEL_{signal}_EXPORTER": "console" for signal in ("TRACES", "LOGS", "METRICS")}
    status, out, err = run(code, **environment)
    assert (status, err) == (0, "")
    assert '"name": "work"' in out
    assert '"body": "hello"' in out
    assert '"name": "orders"' in out
    assert otlp_sink.requests == []
    run(code, OTEL_TRACES_EXPORTER="otlp,console")
    assert [span.name for span in otlp_sink.records("traces")] == ["work"]


def test_an_unknown_exporter_is_named(run):
    """An exporter that is not installed is named with its variable and left out."""
    status, _, err = run("from instrumentation import instrument; instrument()", OTEL_TRACES_EXPORTER="otlp,zipkin")
    assert status == 0
    assert "OTEL_TRACES_EXPORTER" in err
    assert "'zipkin'" in err


def test_the_sdk_is_not_imported_unless_it_is_used(run):
    """A process that plugs nothing in pays nothing for it."""
    code = """
    import sys
    from instrumentation import instrument, span
    instrument()
    with span("work"): pass
    assert not [name for name in sys.modules if name.startswith("opentelemetry.sdk")]
    """
    status, _, err = run(code)
    assert (status, err) == (0, "")


def test_in_code_for_a_whole_service(run, otlp_sink, tmp_path):
    """Settings take processors and a sampler; an instrumented application's spans go through both."""
    code = """
    import httpx, asyncio
    from fastapi import FastAPI
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON
    from instrumentation import Settings, instrument
    spans = InMemorySpanExporter()
    app = FastAPI()

    @app.get("/x/{y}")
    async def x(y: str): return y

    telemetry = instrument(app, settings=Settings.from_env(
        service_name="a", otel_sampler=ALWAYS_ON, span_processors=[SimpleSpanProcessor(spans)]))

    async def main():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as client:
            await client.get("/x/1")

    asyncio.run(main())
    server, client = spans.get_finished_spans()
    assert (server.name, client.name) == ("GET /x/{y}", "GET"), (server.name, client.name)
    assert server.attributes["http.route"] == "/x/{y}" and server.parent.span_id == client.context.span_id
    assert server.resource.attributes["service.name"] == "a"
    """
    status, _, err = run(code)
    assert (status, err) == (0, "")
    assert sorted(span.name for span in otlp_sink.records("traces")) == ["GET", "GET /x/{y}"]


def test_resource_detectors(run, otlp_sink, plain):
    """Named detectors add to the resource; what was configured wins; one that is missing is named."""
    code = "from instrumentation import instrument, span\ninstrument()\nwith span('work'): pass\n"
    status, _, err = run(
        code,
        OTEL_EXPERIMENTAL_RESOURCE_DETECTORS="process,os,nowhere",
        OTEL_RESOURCE_ATTRIBUTES="os.type=mine",
        OTEL_SERVICE_NAME="svc",
    )
    assert status == 0
    assert "no detector 'nowhere' is installed" in err
    ((resource, _, _),) = otlp_sink.resources("traces")
    attributes = plain(resource.attributes)
    assert attributes["process.executable.path"] == sys.executable
    assert (attributes["os.type"], attributes["service.name"]) == ("mine", "svc")
