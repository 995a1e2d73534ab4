"""What the first page tells beside the services."""

import html
import re
import time

import pytest
from clew_console.web.text import NOTHING
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

NONE = ("", "")


def _request(service, *metrics):
    request = ExportMetricsServiceRequest()
    of_resource = request.resource_metrics.add()
    of_resource.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value=service)))
    of_resource.scope_metrics.add().metrics.extend(metrics)
    return request


def _metric(name, unit, kind, values):
    now = time.time_ns()
    metric = ExportMetricsServiceRequest().resource_metrics.add().scope_metrics.add().metrics.add(name=name, unit=unit)
    data = getattr(metric, kind)
    if kind == "sum":
        data.aggregation_temporality, data.is_monotonic = 2, True
    for (key, value), number in values.items():
        labels = [KeyValue(key=key, value=AnyValue(string_value=value))] if key else []
        data.data_points.add(as_double=number, attributes=labels, time_unix_nano=now, start_time_unix_nano=now - 10**10)
    return metric


@pytest.fixture
def words(start, client_of, make):
    """Return the first page's text, by section, of a console with patterns and a ledger of two services."""
    with start() as running:
        client = client_of(running)
        client.send_traces(make.traces(make.span(kind=2), service="orders"))
        outcomes = {("clew.saga.outcome", "completed"): 7, ("clew.saga.outcome", "compensated"): 3}
        dropped = [
            _metric("otel.sdk.processor.span.processed", "{span}", "sum", {("error.type", "queue_full"): 5, NONE: 90}),
            _metric("otel.sdk.exporter.span.exported", "{span}", "sum", {("error.type", "timeout"): 2, NONE: 1_088}),
            _metric("otel.sdk.processor.span.queue.size", "{span}", "sum", {NONE: 12}),
            _metric(
                "otel.sdk.exporter.log.exported",
                "{log_record}",
                "sum",
                {("otel.component.type", "stdout_log_exporter"): 40, NONE: 30},
            ),
            _metric("clew.business.undeclared", "{call}", "sum", {NONE: 4}),
        ]
        for service, depth, age in (("orders", 3, 1.5), ("payments", 4, 2.5)):
            sent = [
                _metric("clew.outbox.depth", "{message}", "gauge", {NONE: depth}),
                _metric("clew.outbox.oldest.age", "s", "gauge", {NONE: age}),
            ]
            sent += [_metric("clew.saga.ended", "{saga}", "sum", outcomes), *dropped] if service == "orders" else []
            assert client.post("/v1/metrics", _request(service, *sent)).status_code == 200
        client.wait("/api/metrics/points", lambda answer: len(answer.json()["points"]) == 2, name="clew.outbox.depth")
        page = client.get("/").text
        sections = re.findall(r'<section aria-labelledby="(\w+)-title">(.*?)</section>', page, re.DOTALL)
        yield {name: " ".join(html.unescape(re.sub("<[^>]*>", " ", text)).split()) for name, text in sections}


def test_the_patterns_have_a_section_of_their_own(words):
    """Sagas by outcome, the outboxes' messages added up, and the age of the oldest are told; not among the ledger."""
    assert "clew.saga.ended 10 compensated 3 30 % completed 7 70 %" in words["patterns"]
    assert "clew.outbox.depth 7" in words["patterns"]
    assert "clew.outbox.oldest.age 2.5 s" in words["patterns"]
    assert "clew.business" not in words["patterns"]


def test_the_telemetry_itself_adds_up(words):
    """The ledger tells what was delivered, waits and was dropped for which reason; lines on stdout are told apart."""
    assert words["ledger"] == (
        "The telemetry itself Records Delivered Waiting Dropped Spans 1 088 12 2 timeout , 5 queue_full "
        f"Log records 30 {NOTHING} 0 Log lines on stdout 40 {NOTHING} 0 "
        f"clew.business.undeclared 0 {NOTHING} 4 undeclared"
    )
