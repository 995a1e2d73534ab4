"""Telemetry of every shape, and what a console says of it."""

import time
from types import SimpleNamespace

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

POINT = "/api/metrics/points"


def _metrics():
    request = ExportMetricsServiceRequest()
    of_resource = request.resource_metrics.add()
    of_resource.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value="shop")))
    scope = of_resource.scope_metrics.add()
    now = time.time_ns()
    at = {"time_unix_nano": now, "start_time_unix_nano": now - 10**9}
    labels = [
        KeyValue(key="route", value=AnyValue(string_value="/a")),
        KeyValue(key="code", value=AnyValue(int_value=200)),
        KeyValue(key="tags", value=AnyValue(array_value={"values": [AnyValue(bool_value=True)]})),
    ]
    exemplar = {"time_unix_nano": now, "as_double": 0.3, "trace_id": b"t" * 16, "span_id": b"s" * 8}
    total = scope.metrics.add(name="orders", unit="{order}").sum
    total.aggregation_temporality, total.is_monotonic = 2, True
    total.data_points.add(as_int=7, attributes=labels, exemplars=[exemplar], **at)
    scope.metrics.add(name="depth").gauge.data_points.add(as_double=1.5, **at)
    histogram = scope.metrics.add(name="took", unit="s").histogram
    histogram.aggregation_temporality = 2
    histogram.data_points.add(
        count=3, sum=0.9, explicit_bounds=[0.1, 0.5], bucket_counts=[0, 2, 1], exemplars=[exemplar], **at
    )
    exponential = scope.metrics.add(name="took.exactly").exponential_histogram
    exponential.aggregation_temporality = 1
    exponential.data_points.add(
        count=3, sum=2.0, scale=3, zero_count=1, positive={"offset": -2, "bucket_counts": [1, 1]}, **at
    )
    scope.metrics.add(name="old").summary.data_points.add(
        count=3, sum=2.0, quantile_values=[{"quantile": 0.5, "value": 0.7}], **at
    )
    return request


NAMES = ("orders", "depth", "took", "took.exactly", "old")


@pytest.fixture
def fill(make):
    """Return a function that sends spans, lines and metrics of every shape, and returns their trace's id."""

    def send(client, spans=40):
        trace_id = bytes.fromhex(f"{time.time_ns():032x}")
        root = make.span(trace_id, name="POST /orders", kind=2, attributes={"n": 1, "x": 1.5, "b": True, "l": ["a", 2]})
        root.status.code, root.status.message = 2, "declined"
        root.events.add(name="tried", time_unix_nano=root.start_time_unix_nano + 5)
        root.links.add(trace_id=b"l" * 16, span_id=b"m" * 8, trace_state="a=b")
        root.trace_state, root.flags = "vendor=1", 0x101
        children = [make.span(trace_id, root.span_id, name=f"step {number % 3}") for number in range(spans - 1)]
        client.send_traces(make.traces(root, *children, **{"service.version": "1.2"}))
        lines = [
            make.log(f"line {number}", trace_id=trace_id, span_id=root.span_id, attributes={"number": number})
            for number in range(20)
        ]
        client.send_logs(make.logs(*lines, make.log("alone", severity_number=17)))
        assert client.post("/v1/metrics", _metrics()).status_code == 200
        client.wait(POINT, lambda answer: len(answer.json()["points"]), name=NAMES[-1])
        return trace_id.hex()

    return send


@pytest.fixture
def told():
    """Return a function that gives all a console, or one of its runs, says of a trace, the lines and the metrics."""

    def ask(client, trace_id, base=""):
        lines = client.get(f"{base}/loki/api/v1/query_range", query='{service_name=~".+"}', limit=500)
        overview = client.get(f"{base}/api/overview").json()["services"]
        return SimpleNamespace(
            trace=client.get(f"{base}/api/traces/{trace_id}").json(),
            lines=sorted(map(str, lines.json()["data"]["result"])),
            points={name: client.get(base + POINT, name=name).json()["points"] for name in NAMES},
            services=[
                (one["service"], one["spans"], one["total"]["requests"], one["total"]["errors"]) for one in overview
            ],
        )

    return ask
