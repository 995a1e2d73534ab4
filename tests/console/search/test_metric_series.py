"""Series over time from stored points: counters, gauges, histograms, restarts."""

import time

import pytest
from clew_console.search.metric_series import bucket_quantile
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ResourceMetrics

NS = 10**9


def _send(console, *metrics, service="m"):
    found = ResourceMetrics(scope_metrics=[{"metrics": metrics}])
    found.resource.attributes.add(key="service.name").value.string_value = service
    assert console.post("/v1/metrics", ExportMetricsServiceRequest(resource_metrics=[found])).status_code == 200


def _sum(name, route, start_ns, pairs):
    points = [{"start_time_unix_nano": start_ns, "time_unix_nano": at, "as_double": value} for at, value in pairs]
    metric = Metric(name=name, unit="{request}", sum={"aggregation_temporality": 2, "is_monotonic": True})
    for point in points:
        added = metric.sum.data_points.add(**point)
        added.attributes.add(key="route").value.string_value = route
    return metric


def _series(console, name, **parameters):
    return console.wait("/api/metrics/series", lambda answer: answer.json()["series"], name=name, **parameters).json()


@pytest.fixture
def minute():
    """Start of a whole minute, five minutes ago, in seconds."""
    return (int(time.time()) - 300) // 60 * 60


def test_a_counter_grows_and_restarts(console, minute):
    """What a counter grew by falls into the step of the later point; after a restart it counts from zero."""
    began = (minute - 600) * NS
    pairs = [((minute - 30) * NS, 100.0), ((minute + 30) * NS, 130.0), ((minute + 90) * NS, 5.0)]
    _send(console, _sum("grows", "/a", began, pairs))
    found = _series(console, "grows", function="increase", start=minute, end=minute + 120, steps=2)
    assert found["series"][0]["points"] == [[minute * NS, 30.0], [(minute + 60) * NS, 5.0]]
    rates = _series(console, "grows", start=minute, end=minute + 120, steps=2)
    assert (rates["function"], rates["series"][0]["points"][0]) == ("rate", [minute * NS, 0.5])


def test_groups_and_filters(console, minute):
    """One series per value grouped by; filters leave the others out."""
    for route, value in (("/a", 60.0), ("/b", 120.0)):
        _send(console, _sum("grouped", route, minute * NS, [((minute + 30) * NS, value)]), service=f"svc{route[1]}")
    arguments = {"function": "increase", "start": minute, "end": minute + 60, "steps": 1}
    answer = console.wait(
        "/api/metrics/series", lambda got: len(got.json()["series"]) == 2, name="grouped", by="route", **arguments
    )
    assert [(one["labels"], one["points"][0][1]) for one in answer.json()["series"]] == [
        ([["route", "/b"]], 120.0),
        ([["route", "/a"]], 60.0),
    ]
    only = _series(console, "grouped", **arguments, **{"label.service.name": "svca"})
    assert [one["points"][0][1] for one in only["series"]] == [60.0]


def test_quantiles_of_histograms(console, minute):
    """A quantile comes from what the buckets grew by, linear within a bucket; the mean from sum and count."""
    metric = Metric(name="took", unit="s", histogram={"aggregation_temporality": 2})
    for at, counts, total in ((minute - 30, [5, 0, 0], 0.5), (minute + 30, [5, 10, 0], 10.5)):
        metric.histogram.data_points.add(
            start_time_unix_nano=(minute - 60) * NS,
            time_unix_nano=at * NS,
            count=sum(counts),
            sum=total,
            bucket_counts=counts,
            explicit_bounds=[1.0, 2.0],
        )
    _send(console, metric)
    arguments = {"start": minute, "end": minute + 60, "steps": 1}
    median = _series(console, "took", quantile=0.5, **arguments)
    assert (median["function"], median["series"][0]["points"]) == ("quantile", [[minute * NS, 1.5]])
    assert _series(console, "took", function="mean", **arguments)["series"][0]["points"] == [[minute * NS, 1.0]]


def test_a_quantile_above_the_last_bound_is_that_bound():
    """What lies beyond all bounds counts as the last of them; nothing counted has no quantile."""
    infinite = float("inf")
    assert bucket_quantile({1.0: 1, infinite: 9}, [1.0, infinite], 0.9) == 1.0
    assert bucket_quantile({}, [], 0.9) is None


@pytest.mark.parametrize(("parameter", "value"), [("function", "median"), ("quantile", "2"), ("quantile", "x")])
def test_wrong_parameters_are_named(console, parameter, value):
    """A function or quantile that cannot be is a 400 that names it."""
    answer = console.get("/api/metrics/series", name="any", **{parameter: value})
    assert answer.status_code == 400
    assert parameter in answer.json()["error"]
