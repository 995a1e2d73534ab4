"""What collector/tail-sampling.yaml keeps, and what it counts before it samples."""

import urllib.request

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from stack.native import ROOT

pytestmark = pytest.mark.stack

USUAL, SLOW, FAILED = 1, 2, 3
ERROR = 2
SLOW_MS = 500
# As it is shipped, but quick, and with what is kept sent to the receiver of the test.
OVERLAYS = (
    ROOT / "collector/tail-sampling.yaml",
    "yaml:processors::tail_sampling::decision_wait: 1s",
    "yaml:connectors::span_metrics::metrics_flush_interval: 1s",
    "yaml:service::pipelines::traces/sampled::exporters: [otlp_http/console]",
)


def send(collector, number):
    """Send a trace of two spans: usual, slow, or with an error in the inner span."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    service = resource.resource.attributes.add(key="service.name")
    service.value.string_value = "sampled"
    spans = resource.scope_spans.add().spans
    began, duration_ms = 1_800_000_000_000_000_000, SLOW_MS + 100 if number == SLOW else 10
    ids = {"trace_id": bytes([number] * 16), "start_time_unix_nano": began}
    outer = spans.add(name="outer", span_id=b"o" * 8, end_time_unix_nano=began + duration_ms * 1_000_000, **ids)
    inner = spans.add(name="inner", span_id=b"i" * 8, parent_span_id=outer.span_id, **ids)
    inner.end_time_unix_nano = began + 5_000_000
    inner.status.code = ERROR if number == FAILED else 0
    body, headers = request.SerializeToString(), {"content-type": "application/x-protobuf"}
    with urllib.request.urlopen(
        urllib.request.Request(f"{collector.otlp_url}/v1/traces", body, headers), timeout=10
    ) as answer:
        assert answer.status == 200


def kept(sink):
    """Return the numbers of the traces that arrived, each with how many of its spans did."""
    ids = [span.trace_id[0] for span in sink.records("traces")]
    return {number: ids.count(number) for number in set(ids)}


def counted(sink, plain):
    """Return how many spans the newest span metrics count, by name and status, and their unit."""
    calls = [metric for metric in sink.records("metrics") if metric.name == "traces.spanmetrics.calls"]
    points = calls[-1].sum.data_points if calls else ()
    found = [(plain(point.attributes), point.as_int) for point in points]
    assert all("collector.instance.id" not in labels for labels, _ in found)
    return {(labels["span.name"], labels["status.code"]): count for labels, count in found}


@pytest.mark.parametrize(
    ("percentage", "expected"), [("0", {SLOW: 2, FAILED: 2}), ("100", {USUAL: 2, SLOW: 2, FAILED: 2})]
)
def test_errors_slow_ones_and_a_share_are_kept(start_collector, otlp_sink, plain, percentage, expected):
    """A trace with an error and a slow one are kept whole, of the others a share; metrics count all of them."""
    collector = start_collector(*OVERLAYS, SAMPLING_PERCENTAGE=percentage, SAMPLING_SLOW_MS=str(SLOW_MS))
    for number in (USUAL, SLOW, FAILED):  # decided on in this order: when the last is here, the first would be
        send(collector, number)
    all_counted = {
        ("outer", "STATUS_CODE_UNSET"): 3,
        ("inner", "STATUS_CODE_UNSET"): 2,
        ("inner", "STATUS_CODE_ERROR"): 1,
    }
    otlp_sink.wait_for(lambda: sum(kept(otlp_sink).values()) >= sum(expected.values()), 30)
    otlp_sink.wait_for(lambda: counted(otlp_sink, plain) == all_counted, 30)
    assert kept(otlp_sink) == expected
    durations = [metric for metric in otlp_sink.records("metrics") if metric.name == "traces.spanmetrics.duration"]
    assert {metric.unit for metric in durations} == {"s"}
    points = [point for metric in durations for point in metric.histogram.data_points]
    assert {exemplar.trace_id[0] for point in points for exemplar in point.exemplars} == {USUAL, SLOW, FAILED}
