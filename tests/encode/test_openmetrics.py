"""The text formats: a strict parser reads them, hostile labels included, and both exits agree."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from instrumentation.encode import metrics, openmetrics
from instrumentation.encode.family import Family, HistogramPoint, NumberPoint
from instrumentation.signals.metric import MetricStore

TRACE, SPAN = bytes(range(16)), bytes(range(8))


def page(store, resource=None, exemplars=True):
    text = openmetrics.encode(openmetrics.translate(store.snapshot()), resource or {}, openmetrics=exemplars)
    return text + openmetrics.END if exemplars else text


def samples(families):
    return {(s.name, frozenset(s.labels.items())): s.value for f in families for s in f.samples}


def plain(families, exemplars):
    """The lines of all samples, one by one."""
    return [
        f"{family.name}{sample.suffix}{openmetrics._braces(sample.labels)} {openmetrics.number(sample.value)}"
        f"{openmetrics._exemplar(sample.exemplar) if exemplars and sample.exemplar else ''}"
        for family in families
        for sample in family.samples
    ]


@pytest.mark.parametrize("exemplars", [True, False])
@given(
    attributes=st.dictionaries(st.sampled_from(["a", "le", "b.c", "_"]), st.text(max_size=3) | st.booleans()),
    values=st.lists(st.floats(0, 9), max_size=9),
    with_exemplars=st.booleans(),
)
def test_lines_are_those_of_the_samples(exemplars, attributes, values, with_exemplars):
    """A histogram's lines, whose labels are written once, are those of its samples, each written by itself."""
    store = MetricStore()
    cell = store.histogram("h", unit="s", description="", boundaries=[0.5, 1, 2.5]).cell(attributes)
    for value in values:
        cell.observe(value, *((TRACE, SPAN) if with_exemplars else ()))
    families = openmetrics.translate(store.snapshot())
    text = openmetrics.encode(families, {}, openmetrics=exemplars)
    assert [line for line in text.split("\n") if line.startswith("h_")] == plain(families, exemplars)


def test_a_percent_sign_in_a_label():
    """A label's value is text and no format."""
    store = MetricStore()
    store.histogram("h", boundaries=[1]).cell({"a": "100%s %d%%"}).observe(0.5)
    assert 'h_bucket{a="100%s %d%%",le="1.0"} 1\nh_bucket{a="100%s %d%%",le="+Inf"} 1\n' in page(store)


@pytest.mark.parametrize(
    ("counts", "shown"), [([1, 2, 3], 'le="1.0"} 1\n'), ([1], 'le="1.0"} 1\n'), ([], "h_count 0\n")]
)
def test_a_histogram_with_more_or_fewer_counts_than_buckets(counts, shown):
    """A service's own collector may leave the last bucket out: the page is still written."""
    point = HistogramPoint({}, 0, [1.0], counts, 0.5)
    text = openmetrics.encode(openmetrics.translate([Family("h", "histogram", points=[point])]), {}, openmetrics=True)
    assert shown in text
    assert text.count("h_bucket") == min(len(counts), 2)


def test_page_reads_as_written():
    """The whole page of a histogram, a counter and a gauge is exactly the text of the standard."""
    store = MetricStore()
    histogram = store.histogram("http.server.request.duration", unit="s", description='A "b"\nc.', boundaries=[0.1, 1])
    cell = histogram.cell({"http.route": "/a", "http.response.status_code": 200})
    cell.observe(0.05, TRACE, SPAN)
    cell.observe(0.5)
    store.counter("orders", description="Orders.").cell({"ok": True}).add(2)
    store.gauge("fill", unit="1").cell().set(0.5)
    [exemplar, *_] = store.snapshot()[0].points[0].exemplars
    route = 'http_response_status_code="200",http_route="/a"'
    assert page(store, {"service.name": "gateway"}) == (
        '# HELP http_server_request_duration_seconds A \\"b\\"\\nc.\n'
        "# TYPE http_server_request_duration_seconds histogram\n"
        "# UNIT http_server_request_duration_seconds seconds\n"
        f'http_server_request_duration_seconds_bucket{{{route},le="0.1"}} 1'
        f' # {{trace_id="{TRACE.hex()}",span_id="{SPAN.hex()}"}} 0.05 {exemplar[1] / 1e9:.3f}\n'
        f'http_server_request_duration_seconds_bucket{{{route},le="1.0"}} 2\n'
        f'http_server_request_duration_seconds_bucket{{{route},le="+Inf"}} 2\n'
        f"http_server_request_duration_seconds_count{{{route}}} 2\n"
        f"http_server_request_duration_seconds_sum{{{route}}} 0.55\n"
        "# HELP orders Orders.\n# TYPE orders counter\n"
        'orders_total{ok="true"} 2\n'
        "# HELP fill_ratio \n# TYPE fill_ratio gauge\nfill_ratio 0.5\n"
        "# HELP target Target metadata\n# TYPE target info\n"
        'target_info{service_name="gateway"} 1\n'
        "# EOF\n"
    )


def test_older_text_has_the_same_values():
    """The 0.0.4 text carries the same samples without exemplars, units and end mark."""
    store = MetricStore()
    store.histogram("h", boundaries=[1]).cell({"a": "b"}).observe(0.5, TRACE, SPAN)
    store.counter("c", unit="s").cell().add(2, TRACE, SPAN)
    text = page(store, {"service.name": "x"}, exemplars=False)
    assert samples(parse_text(text)) == samples(parse_openmetrics(page(store, {"service.name": "x"})))
    assert "#  {" not in text
    assert "EOF" not in text
    assert "# TYPE c_seconds_total counter\n" in text


def test_names_that_become_one():
    """Values of one label name are joined, a `le` of the user's moves aside, of two metrics the first stands."""
    store = MetricStore()
    store.histogram("h", boundaries=[1]).cell({"le": "mine", "a.b": "1", "a_b": "2"}).observe(0.5)
    store.gauge("x.y").cell().set(1)
    store.gauge("x_y").cell().set(2)
    families = {family.name: family for family in parse_openmetrics(page(store))}
    assert families["h"].samples[0].labels == {"exported_le": "mine", "a_b": "1;2", "le": "1.0"}
    assert [sample.value for sample in families["x_y"].samples] == [1]


def test_an_attribute_does_not_rename_its_metric():
    """An attribute that is called as the format calls a metric's name is a label like others."""
    store = MetricStore()
    store.gauge("x").cell({"__name__": "y"}).set(1)
    [family] = [family for family in parse_openmetrics(page(store)) if family.name != "target"]
    assert (family.samples[0].name, family.samples[0].labels) == ("x", {"exported__name__": "y"})


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 2**70, -0.0, 1e300])
def test_any_number_is_written(value):
    """Infinite, undefined and huge values read back as they were."""
    families = openmetrics.translate([Family("g", "gauge", points=[NumberPoint({}, 0, value)])])
    text = openmetrics.encode(families, {}, openmetrics=True) + openmetrics.END
    [read] = [sample.value for family in parse_openmetrics(text) if family.name == "g" for sample in family.samples]
    assert read == value or (math.isnan(read) and math.isnan(value))


@given(
    st.dictionaries(
        st.text(max_size=8), st.text(st.characters(), max_size=12) | st.integers() | st.booleans(), max_size=4
    ),
    st.text(st.characters(), max_size=12),
    st.lists(st.floats(0, 100), min_size=1, max_size=8),
)
@settings(max_examples=150, deadline=None)
def test_both_exits_agree_on_anything(attributes, description, values):
    """Whatever attributes and texts (lone surrogates, quotes, newlines): the page parses and equals OTLP's values."""
    store = MetricStore()
    cell = store.histogram("h", unit="s", description=description, boundaries=[1, 10]).cell(attributes)
    counter = store.counter("c", description=description).cell(attributes)
    for value in values:
        cell.observe(value, TRACE, SPAN)
        counter.add(value)
    text = page(store, attributes)
    text.encode()
    families = {family.name: family for family in parse_openmetrics(text)}
    pushed = {m.name: m for m in (Metric.FromString(data) for _, data, _ in metrics.encode(store.snapshot(), 1))}
    [point] = pushed["h"].histogram.data_points
    scraped = {sample.name: sample.value for sample in families["h_seconds"].samples}
    assert (scraped["h_seconds_count"], scraped["h_seconds_sum"]) == (point.count, point.sum)
    buckets = [sample.value for sample in families["h_seconds"].samples if sample.name == "h_seconds_bucket"]
    assert buckets == [sum(point.bucket_counts[: n + 1]) for n in range(3)]
    assert families["c"].samples[0].value == (pushed["c"].sum.data_points[0].as_double)


@pytest.mark.parametrize("value", [1, True, 1.5, float("nan")])
def test_values_that_become_one_label_are_one_line(value):
    """A value and its text are two series for OpenTelemetry, and one line of the page, which adds up both."""
    store = MetricStore()
    counter, spread = store.counter("hits"), store.histogram("spread")
    text = openmetrics.labels({"of": value})["of"]
    for each in (value, text, value):
        counter.cell({"of": each}).add(2)
        spread.cell({"of": each}).observe(3)
    found = samples(parse_openmetrics(page(store)))
    assert found["hits_total", frozenset({("of", text)})] == 6
    assert found["spread_count", frozenset({("of", text)})] == 3
