"""Row 24: whatever a value is, no public call raises, and what is sent decodes to what was given."""

import json
import logging
import math
import re

import pytest
from harness.hostile import ANY_TEXT, ANYTHING, HOSTILE, PLAIN, SCALARS, unnamed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import _logs, baggage, metrics, trace
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from instrumentation import get_logger, span
from instrumentation.baggage import MAX_BAGGAGE_BYTES, format_baggage, parse_baggage
from instrumentation.context import Propagator, incoming, parse_traceparent, parse_tracestate, sane_request_id
from instrumentation.encode import json_line, otlp
from instrumentation.settings import Settings, parameters
from instrumentation.testing import capture

LIMIT = otlp.MAX_VALUE_CHARACTERS
KEYS = ANY_TEXT | HOSTILE | st.none() | st.integers()


@pytest.fixture(scope="module")
def captured():
    """The whole kit, in memory."""
    with capture(real_clock=True, contrib=False) as captured:
        yield captured


@pytest.fixture
def hold(tell, pace, captured):
    """Try a property, with a guard that keeps failures from the service, as outside of tests."""
    captured.telemetry._guard.strict = False

    def hold(what, *strategies, quick=40):
        examples = pace.times(quick=quick, whole=10 * quick)
        many = settings(
            max_examples=examples,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            derandomize=not pace.is_whole,
        )

        def check(property_of_it):
            many(given(st.tuples(*strategies))(lambda drawn: property_of_it(*map(unnamed, drawn))))()
            tell(what, f"{examples} examples, no exception")

        return check

    return hold


def mapping(key, value):
    """Return a mapping of one entry, of none if such a key can be in none: that raises in whoever makes it."""
    try:
        return {key: value}
    except Exception:
        return {}


def clean(text):
    """Return what UTF-8 can carry of a text: U+FFFD for a lone surrogate."""
    return re.sub("[\ud800-\udfff]", "\ufffd", re.sub("[\ud800-\udbff][\udc00-\udfff]", _pair, text))


def _pair(match):
    return match[0].encode("utf-16", "surrogatepass").decode("utf-16")


def model(value):
    """Return what a plain value is after a way through OTLP."""
    if isinstance(value, str):
        return clean(value[:LIMIT])
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)[:LIMIT]
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value
    if isinstance(value, bytes):
        return value[:LIMIT]
    if isinstance(value, list):
        return [model(item) for item in value]
    return [(clean(key), model(item)) for key, item in value.items()]


def decoded(message):
    """Return an AnyValue of the official protobufs as `model` has it."""
    kind = message.WhichOneof("value")
    match kind:
        case None:
            return None
        case "array_value":
            return [decoded(item) for item in message.array_value.values]
        case "kvlist_value":
            return [(item.key, decoded(item.value)) for item in message.kvlist_value.values]
        case "double_value" if math.isnan(message.double_value):
            return "NaN"
    return getattr(message, kind)


def test_plain_values_arrive_as_they_were(hold):
    """The official protobufs decode what the encoder wrote to the same value, with its type."""

    @hold("plain values, encoded and decoded by the official protobufs", PLAIN)
    def check(value):
        assert decoded(AnyValue.FromString(otlp.any_value(value))) == model(value)


def test_any_value_is_encoded(hold):
    """Any object as a value, any as a key: a message that decodes, of bounded size."""

    @hold("any object as key and value of an attribute", KEYS, ANYTHING)
    def check(key, value):
        encoded = otlp.key_value(key, value)
        assert len(KeyValue.FromString(encoded).SerializeToString()) <= len(encoded) < 100_000


def test_any_line_is_json(hold):
    """A line is JSON in ASCII without a line break inside, whatever it is about."""

    @hold("any object in a log line", ANY_TEXT, KEYS, ANYTHING)
    def check(event, key, value):
        head = json_line.head("info", event, "logger", "service")
        line = json_line.line(10**18, head, "", json_line.fields(mapping(key, value)))
        assert line.endswith(b"}\n")
        assert line.count(b"\n") == 1
        assert line.isascii()
        assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", line)
        assert json.loads(line)["event"] == event


SPAN_CALLS = st.sampled_from(
    [
        lambda one, key, value: one.set_attribute(key, value),
        lambda one, key, value: one.set_attributes({"key": value}),
        lambda one, key, value: one.set_attributes(value),
        lambda one, key, value: one.add_event(key, {"key": value}),
        lambda one, key, value: one.add_event("event", value),
        lambda one, key, value: one.add_event("event", None, value),
        lambda one, key, value: one.add_link(value),
        lambda one, key, value: one.add_link(one.get_span_context(), {"key": value}),
        lambda one, key, value: one.update_name(value),
        lambda one, key, value: one.set_status(value),
        lambda one, key, value: one.set_status(trace.StatusCode.ERROR, value),
        lambda one, key, value: one.record_exception(value),
        lambda one, key, value: one.record_exception(ValueError(value), {"key": value}),
        lambda one, key, value: one.end(value),
    ]
)


def test_spans_take_anything(hold, captured):
    """No method of a span raises, whatever it is given; the span arrives, with what could be understood."""

    @hold("any object to each method of a span", st.lists(SPAN_CALLS, max_size=5), KEYS, ANYTHING, quick=25)
    def check(calls, key, value):
        with span("hostile") as one:
            one.set_attribute("sane", 1)
            for call in calls:
                call(one, key, value)
        (arrived,) = [each for each in captured.spans() if each.span_id == f"{one.span_id.hex()}"]
        assert arrived.attributes["sane"] == 1
        clear(captured)


def test_spans_begin_with_anything(hold, captured):
    """Whatever a span is called and given, the block runs, and its span arrives beside a sane one."""
    tracer = trace.get_tracer("hostile")

    @hold("any object as name, attribute, link and start of a span", ANYTHING, ANYTHING, quick=10)
    def check(name, value):
        ran = []
        for begin in (
            lambda: span(name, value=value),
            lambda: tracer.start_as_current_span(name, attributes=value),
            lambda: tracer.start_as_current_span("links", links=value),
            lambda: tracer.start_as_current_span("start", start_time=value),
            lambda: tracer.start_as_current_span("kind", kind=value),
        ):
            with begin():
                ran.append(1)
        with span("sane"):
            pass
        assert len(ran) == 5
        assert "sane" in [each.name for each in captured.spans()]
        clear(captured)


def test_loggers_take_anything(hold, captured):
    """No call of a logger raises, of structlog, logging or OpenTelemetry; each record and line arrives, and parses."""
    log, old, api = get_logger("hostile"), logging.getLogger("hostile.old"), _logs.get_logger("hostile")
    # pytest's own handlers let a record raise that they cannot format, which no other does.
    theirs = [handler for handler in logging.root.handlers if type(handler).__module__.startswith("_pytest")]
    for handler in theirs:
        logging.root.removeHandler(handler)

    @hold("any object as event, argument and attribute of a log record", ANYTHING, ANY_TEXT, quick=10)
    def check(value, text):
        log.info(text, value=value)
        log.warning(value)
        log.error("failed", exc_info=value)
        old.info("value %s", text, extra={"value": value})
        old.warning(value)
        api.emit(_logs.LogRecord(body=value, attributes={"value": value}))
        log.info("sane")
        assert "sane" in [each.event for each in captured.logs()]
        for line in captured.lines():
            json.loads(line)
        clear(captured)

    for handler in theirs:
        logging.root.addHandler(handler)


def test_instruments_take_anything(hold, captured):
    """No call of an instrument raises; the page parses, with a sane series beside, and OTLP has it too."""
    meter = metrics.get_meter("hostile")
    counter, gauge = meter.create_counter("hostile.count"), meter.create_gauge("hostile.last")
    changes, histogram = meter.create_up_down_counter("hostile.change"), meter.create_histogram("hostile.spread")

    @hold("any object as measurement and label", ANYTHING, KEYS, ANYTHING)
    def check(amount, key, value):
        for measure in (counter.add, gauge.set, changes.add, histogram.record):
            measure(amount, {"value": value})
            measure(1, {"value": value})
            measure(1, value)
            measure(1, mapping(key, value))
        counter.add(1, {"sane": "yes"})

    page = captured.telemetry.page("application/openmetrics-text")[0].decode()
    families = {family.name: family for family in text_string_to_metric_families(page)}
    assert [each.value for each in families["hostile_count"].samples if each.labels.get("sane") == "yes"] != []
    assert captured.points("hostile.count")


def test_metric_names_may_be_anything(hold, captured):
    """An instrument of any name, unit and description can be made and fed, and the page still parses."""
    meter = metrics.get_meter("names")

    @hold("any text as name, unit and description of a metric", ANY_TEXT, ANY_TEXT, ANY_TEXT)
    def check(name, unit, description):
        meter.create_counter(name, unit, description).add(1)
        meter.create_histogram(f"{name}.spread", unit, description).record(1)

    page = captured.telemetry.page("application/openmetrics-text")[0].decode()
    assert list(text_string_to_metric_families(page))


BYTES = st.binary(max_size=80)
HEADER_BYTES = BYTES | st.from_regex(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", fullmatch=True)


def test_header_parsers_take_anything(hold):
    """Whatever a header holds, its parser returns something sane or nothing."""

    @hold("any bytes as traceparent, tracestate, baggage and request ID", HEADER_BYTES, BYTES, BYTES, BYTES)
    def check(traceparent, tracestate, baggage_header, request_id):
        parent = parse_traceparent(traceparent)
        assert parent is None or (len(parent.trace_id), len(parent.span_id)) == (16, 8)
        assert len(parse_tracestate(tracestate)) <= 2 * len(tracestate)
        assert sane_request_id(request_id) in ("", request_id.decode("latin-1"))
        entries = parse_baggage(baggage_header)
        assert parse_baggage(format_baggage(entries).encode()) == entries
        texts = [each.decode("latin-1") for each in (traceparent, tracestate, baggage_header, request_id)]
        names = ("traceparent", "tracestate", "baggage", "x-request-id")
        carrier = dict(zip(names, texts, strict=True))
        incoming(carrier)
        Propagator().extract(carrier)


def test_baggage_goes_round(hold):
    """Any text under a key that W3C allows comes back; anything else is left out, and the header stays bounded."""
    entries = st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), ANY_TEXT, max_size=70)

    @hold("any text as baggage, written and read", entries)
    def check(given_entries):
        header = format_baggage(given_entries)
        assert header.isascii()
        assert len(header) <= MAX_BAGGAGE_BYTES
        read = parse_baggage(header.encode())
        assert all(read[key] == clean_baggage(given_entries[key]) for key in read)
        assert len(read) == min(len(given_entries), 64)

    @hold("any object as baggage", KEYS, ANYTHING)
    def check_any(key, value):
        try:
            context = baggage.set_baggage(key, value)
        except Exception:
            return  # the API's own
        Propagator().inject({}, context)


def clean_baggage(text):
    """Return a text as percent-encoding with replacement carries it."""
    return text.encode("utf-8", "replace").decode()


VARIABLES = sorted({variable for parameter in parameters() for variable in parameter.variables})
NAMES = st.sampled_from(
    [name.format(SIGNAL=signal, PROCESSOR="BSP") for name in VARIABLES for signal in ("TRACES", "LOGS", "METRICS")]
)


def test_settings_take_any_environment(hold):
    """Whatever the environment says, set-up has settings, and names each value that it does not use."""

    @hold("any text as any variable", st.dictionaries(NAMES, ANY_TEXT, max_size=6))
    def check(environ):
        made = Settings.from_env(environ)
        assert isinstance(made, Settings)
        assert all(isinstance(warning, str) for warning in made.warnings)


def test_one_bad_value_costs_nothing_else(hold, captured):
    """A record of which one value is hostile arrives with all the others."""

    @hold("a hostile value between plain ones", HOSTILE, SCALARS, quick=10)
    def check(bad, good):
        with span("mixed", before=1, bad=bad, good=good, after=2):
            get_logger("mixed").info("mixed", before=1, bad=bad, good=good, after=2)
        (one,), (record,) = captured.spans("mixed"), captured.logs("mixed")
        for attributes in (one.attributes, record.attributes):
            assert (attributes["before"], attributes["after"]) == (1, 2)
        clear(captured)


def clear(captured):
    """Forget what was captured, which grows with each example."""
    for bodies in captured._memory.bodies.values():
        bodies.clear()
    captured._memory.written.clear()
