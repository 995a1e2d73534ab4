"""Spans, held against the SDK: the same program makes the same records."""

import asyncio
import threading

import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from instrumentation.sampling import sampler
from instrumentation.signals.span import SpanSettings

REMOTE = SpanContext(
    0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(1), trace_state=trace.TraceState([("v", "1")])
)


def program(tracer):
    """Use every method of the API once."""
    parent = trace.set_span_in_context(NonRecordingSpan(REMOTE))
    root = tracer.start_span(
        "root",
        parent,
        SpanKind.SERVER,
        attributes={"a": 1, "b": "two", "c": [1.5, 2.5], "d": True},
        links=[Link(REMOTE, {"why": "batch"})],
        start_time=1_000,
    )
    root.set_attribute("a", 2)
    root.set_attributes({"e": ("x", "y")})
    root.add_event("happened", {"k": "v"}, timestamp=1_500)
    root.set_status(Status(StatusCode.ERROR, "went wrong"))
    child = tracer.start_span("child", trace.set_span_in_context(root), start_time=1_100)
    child.update_name("renamed")
    child.set_status(StatusCode.OK)
    child.set_status(StatusCode.ERROR, "ignored: ok is final")
    child.add_link(root.get_span_context())
    child.end(1_200)
    root.end(2_000)
    orphan = tracer.start_span("alone", otel_context.Context(), start_time=5)
    orphan.end(6)


def comparable(spans):
    """Replace the random ids by the order in which they appear; sort attributes, whose order means nothing."""
    seen: dict[bytes, bytes] = {}
    for span in spans:
        # The protocol has the W3C flags in the low byte; the SDK's encoder leaves them out.
        for flagged in (span, *span.links):
            flagged.flags &= ~0xFF
        for link in span.links:  # nor does it have a link's trace state
            link.trace_state = ""
        for field in (span, *span.links):
            for name in ("trace_id", "span_id", "parent_span_id"):
                value = getattr(field, name, b"")
                if value and value not in (b"\0" * 14 + b"\x0a\xbc", b"\0" * 6 + b"\x0d\xef"):
                    setattr(field, name, seen.setdefault(value, bytes([len(seen) + 1])))
        span.status.SetInParent()  # present and unset mean the same
        ordered = sorted(span.attributes, key=lambda item: item.key)
        del span.attributes[:]
        span.attributes.extend(ordered)
    return spans


def test_records_equal_the_sdk(kit):
    """Whole records, side by side with the SDK's: ids, names, times, attributes, events, links, status, flags."""
    exporter = InMemorySpanExporter()
    sdk = SdkTracerProvider()
    sdk.add_span_processor(SimpleSpanProcessor(exporter))
    program(sdk.get_tracer("t"))
    request = encode_spans(exporter.get_finished_spans())
    expected = list(request.resource_spans[0].scope_spans[0].spans)
    sdk.shutdown()

    program(kit.signals.tracers.get_tracer("t"))
    ours = kit.decoded_spans()
    assert {flagged.flags & 0xFF for span in ours for flagged in (span, *span.links)} == {1}
    assert {link.trace_state for span in ours for link in span.links} == {"v=1"}
    assert comparable(ours) == comparable(expected)


def test_limits_count_what_they_drop(kit, plain):
    """Attributes, events and links beyond their limit are dropped and counted; a value beyond its limit is cut."""
    kit.signals.tracers.target = SpanSettings(
        kit.spans, sampler("always_on"), max_attributes=2, max_events=1, max_links=1, max_value_characters=3
    )
    span = kit.signals.tracers.get_tracer("t").start_span("s")
    for key in "abcd":
        span.set_attribute(key, "long value")
    span.set_attribute("a", "again")
    for _ in range(3):
        span.add_event("e")
        span.add_link(REMOTE)
    span.end()
    (record,) = kit.decoded_spans()
    assert plain(record.attributes) == {"a": "aga", "b": "lon"}
    assert (record.dropped_attributes_count, record.dropped_events_count, record.dropped_links_count) == (2, 2, 2)


@pytest.mark.parametrize("name", ["always_off", "parentbased_always_off"])
def test_an_unsampled_span_has_an_identity_and_no_record(make_kit, name):
    """A span that is not sampled can be continued by others and is not exported."""
    kit = make_kit(name)
    span = kit.signals.tracers.get_tracer("t").start_span("s")
    assert span.get_span_context().is_valid
    assert not span.is_recording()
    assert not span.get_span_context().trace_flags.sampled
    span.set_attribute("a", 1)
    span.end()
    assert kit.spans == []


def test_an_unsampled_parent_is_honoured(kit):
    """The default sampler follows the parent's decision."""
    remote = NonRecordingSpan(SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(0)))
    kit.signals.tracers.get_tracer("t").start_span("s", trace.set_span_in_context(remote)).end()
    assert kit.spans == []


def test_a_second_end_does_nothing(kit):
    """A span is exported once, and what is set after its end is ignored."""
    span = kit.signals.tracers.get_tracer("t").start_span("s")
    span.end()
    span.set_attribute("late", 1)
    span.add_event("late")
    span.end()
    (record,) = kit.decoded_spans()
    assert not record.attributes
    assert not record.events


def test_a_failing_block_records_its_exception(kit, plain):
    """An exception that leaves the block is on the span, and goes on."""
    tracer = kit.signals.tracers.get_tracer("t")

    def fail():
        with tracer.start_as_current_span("s"):
            raise ValueError("no good")

    with pytest.raises(ValueError, match="no good"):
        fail()
    (record,) = kit.decoded_spans()
    assert (record.status.code, record.status.message) == (2, "ValueError: no good")
    (event,) = record.events
    details = plain(event.attributes)
    assert (event.name, details["exception.type"], details["exception.message"]) == (
        "exception",
        "ValueError",
        "no good",
    )
    assert details["exception.stacktrace"].endswith("ValueError: no good\n")


def test_the_decorator_makes_a_span_for_each_call(kit):
    """A decorated function and a decorated coroutine function run in a child span each time."""
    tracer = kit.signals.tracers.get_tracer("t")

    @tracer.start_as_current_span("sync")
    def double(number):
        return 2 * number

    @tracer.start_as_current_span("async")
    async def triple(number):
        await asyncio.sleep(0)
        return 3 * number

    async def both():
        with tracer.start_as_current_span("outer"):
            return await triple(double(2)), await triple(1)

    assert asyncio.run(both()) == (12, 3)
    *inner, outer = kit.decoded_spans()
    assert [span.name for span in inner] == ["sync", "async", "async"]
    assert {span.parent_span_id for span in inner} == {outer.span_id}


def test_a_generator_closed_elsewhere_leaves_no_span_behind(kit, caplog):
    """A span opened in an async generator that another task closes is ended, without a complaint about its context."""
    tracer = kit.signals.tracers.get_tracer("t")

    async def numbers():
        with tracer.start_as_current_span("generator"):
            yield 1
            yield 2

    async def main():
        generator = numbers()
        await asyncio.create_task(anext(generator))
        await asyncio.create_task(generator.aclose())
        return trace.get_current_span()

    assert asyncio.run(main()) is trace.INVALID_SPAN
    assert [span.name for span in kit.decoded_spans()] == ["generator"]
    assert caplog.records == []


def test_threads_end_every_span(kit):
    """Spans ended by many threads at once are all exported, each with an id of its own."""
    tracer = kit.signals.tracers.get_tracer("t")

    def work():
        for _ in range(500):
            tracer.start_span("s").end()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({SpanMessage.FromString(record).span_id for _, record in kit.spans}) == 4000


def test_the_provider_outlives_its_target(kit):
    """A tracer made before `instrument`, or kept after `uninstrument`, is harmless and works again when it is on."""
    provider = kit.signals.tracers
    tracer = provider.get_tracer("t")
    target, provider.target = provider.target, None
    with tracer.start_as_current_span("off") as span:
        assert not span.is_recording()
    provider.target = target
    tracer.start_span("on").end()
    assert [span.name for span in kit.decoded_spans()] == ["on"]
