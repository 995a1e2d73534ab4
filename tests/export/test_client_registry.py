"""Metrics of prometheus_client: with the kit's on one page, each once, and nothing the service registers breaks it."""

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from instrumentation.encode import metrics
from instrumentation.export import client_registry, scrape
from instrumentation.export.client_registry import ClientRegistry
from tests.export.conftest import OPENMETRICS, SPAN, TRACE


@pytest.fixture
def registry():
    return CollectorRegistry()


def samples(families):
    return {(s.name, frozenset(s.labels.items())): s.value for f in families for s in f.samples}


def page(store, registry, accept=OPENMETRICS, resource=()):
    return scrape.render(store, dict(resource), accept, ClientRegistry(registry))[0]


def families(store, registry):
    return ClientRegistry(registry).families(store.snapshot(), store.warn)


class TestPage:
    def test_users_metrics_stand_beside_ours(self, store, registry):
        """The page is valid in both formats and shows ours, the user's and target_info, each once."""
        client_registry.register(store, registry)
        Counter("theirs", "Theirs.", ["who"], registry=registry).labels('q"\n').inc(2, {"order": "7"})
        Info("build", "Build.", registry=registry).info({"version": "1"})
        for accept, parse in ((OPENMETRICS, parse_openmetrics), ("", parse_text)):
            body = page(store, registry, accept, {"service.name": "x"})
            text = body.decode()
            found = samples(parse(text))
            assert found["ours_total", frozenset({("a", "b")})] == 3
            assert found["theirs_total", frozenset({("who", 'q"\n')})] == 2
            assert found["build_info", frozenset({("version", "1")})] == 1
            assert found["target_info", frozenset({("service_name", "x")})] == 1
            assert text.count("# TYPE ours") == 1
        assert b'# {order="7"} 2.0' in page(store, registry)

    def test_hostile_labels_of_the_user_do_not_break_the_page(self, store, registry):
        """A lone surrogate in a user's label becomes U+FFFD instead of failing every scrape."""
        Gauge("theirs", "Th\ud800eirs.", ["who"], registry=registry).labels("x\ud800").set(1)
        for accept, parse in ((OPENMETRICS, parse_openmetrics), ("", parse_text)):
            found = samples(parse(page(store, registry, accept).decode()))
            assert found["theirs", frozenset({("who", "x\ufffd")})] == 1

    def test_failing_collector_of_the_user_costs_itself_only(self, store, registry, capsys):
        """A collector that raises is told on stderr; our metrics and those before it are shown."""

        class Broken:
            def describe(self):
                return []

            def collect(self):
                raise RuntimeError("broken")

        Gauge("before", "Before.", registry=registry).set(1)
        registry.register(Broken())
        found = samples(parse_openmetrics(page(store, registry).decode()))
        assert found["before", frozenset()] == 1
        assert found["ours_total", frozenset({("a", "b")})] == 3
        assert "broken" in capsys.readouterr().err

    def test_name_of_ours_wins(self, store, registry):
        """A user's metric with a name of ours is on neither exit, so that the page stays valid and the exits equal."""
        Counter("ours", "Mine.", registry=registry).inc(9)
        text = page(store, registry).decode()
        assert text.count("# TYPE ours ") == 1
        assert families(store, registry) == []


class TestCollector:
    def test_users_own_exposition_shows_ours(self, store, registry):
        """Whoever exposes the registry himself sees the store's metrics, exemplars included, until it is taken out."""
        undo = client_registry.register(store, registry)
        assert 'ours_total{a="b"} 3.0' in generate_latest(registry).decode()
        assert f'trace_id="{TRACE.hex()}"' in generate_openmetrics(registry).decode()
        assert families(store, registry) == []
        undo()
        undo()
        assert b"ours" not in generate_latest(registry)


class TestForeignFamilies:
    def test_pushed_values_equal_scraped_ones(self, store, registry):
        """Each type of a user's metric is pushed with the values that the page shows."""
        exemplar = {"trace_id": TRACE.hex(), "span_id": SPAN.hex()}
        Counter("c", "C.", ["k"], registry=registry).labels("v").inc(2, exemplar)
        Gauge("g", "G.", registry=registry).set(1.5)
        Summary("s", "S.", registry=registry).observe(4)
        Info("i", "I.", registry=registry).info({"version": "1"})
        Enum("e", "E.", states=["on", "off"], registry=registry).state("off")
        histogram = Histogram("h", "H.", buckets=[1, 2], registry=registry)
        for value in (0.5, 1.5, 1.7, 9):
            histogram.observe(value, exemplar)
        encoded = metrics.encode(families(store, registry), 1)
        pushed = {metric.name: metric for metric in (Metric.FromString(data) for _, data, _ in encoded)}
        assert {scope for scope, _, _ in encoded} == {("prometheus_client", "")}
        [counter] = pushed["c_total"].sum.data_points
        assert (counter.as_double, counter.attributes[0].value.string_value) == (2, "v")
        assert counter.start_time_unix_nano > 10**18
        assert counter.exemplars[0].trace_id == TRACE
        assert pushed["c_total"].sum.is_monotonic
        assert pushed["g"].gauge.data_points[0].as_double == 1.5
        assert (pushed["s"].summary.data_points[0].count, pushed["s"].summary.data_points[0].sum) == (1, 4)
        assert pushed["i_info"].gauge.data_points[0].attributes[0].value.string_value == "1"
        assert [point.as_double for point in pushed["e"].gauge.data_points] == [0, 1]
        [point] = pushed["h"].histogram.data_points
        assert (list(point.bucket_counts), list(point.explicit_bounds)) == ([1, 2, 1], [1, 2])
        assert (point.count, point.sum, len(point.exemplars)) == (4, 12.7, 3)
