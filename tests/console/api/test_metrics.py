"""The metrics API."""

import os

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest


def _request(mark: str) -> ExportMetricsServiceRequest:
    exemplar = {"timeUnixNano": 9, "asDouble": 0.2, "traceId": "AQ==", "spanId": "Ag=="}
    histogram = {"timeUnixNano": 10, "count": 2, "sum": 0.3, "bucketCounts": [1, 1], "explicitBounds": [0.1]}
    metrics = [
        {"name": f"h.{mark}", "unit": "s", "histogram": {"dataPoints": [histogram | {"exemplars": [exemplar]}]}},
        {"name": f"g.{mark}", "gauge": {"dataPoints": [{"timeUnixNano": 10, "asInt": 7}]}},
        {"name": f"e.{mark}", "exponentialHistogram": {"dataPoints": [{"timeUnixNano": 10, "count": 1, "scale": 3}]}},
        {"name": f"q.{mark}", "summary": {"dataPoints": [{"timeUnixNano": 10, "count": 1, "sum": 2}]}},
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "metered"}}]}
    return ParseDict(
        {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]},
        ExportMetricsServiceRequest(),
    )


def test_points_and_exemplars_come_back(console):
    """A histogram returns its buckets and its exemplar, a gauge its value, and each metric is listed with its type."""
    mark = os.urandom(6).hex()
    assert console.post("/v1/metrics", _request(mark)).status_code == 200
    name = f"h.{mark}"
    [point] = console.wait("/api/metrics/points", lambda answer: answer.json()["points"], name=name).json()["points"]
    assert (point["count"], point["sum"], point["buckets"]) == (2, 0.3, {"bounds": [0.1], "counts": [1, 1]})
    [exemplar] = console.get("/api/metrics/exemplars", name=name).json()["exemplars"]
    assert (exemplar["trace_id"], exemplar["value"], exemplar["service"]) == ("01", 0.2, "metered")
    assert console.get("/api/metrics/points", name=f"g.{mark}").json()["points"][0]["value"] == 7.0
    listed = {one["name"]: one["type"] for one in console.get("/api/metrics").json()["metrics"]}
    types = {"h": "histogram", "g": "gauge", "e": "exponential_histogram", "q": "summary"}
    assert {letter: listed[f"{letter}.{mark}"] for letter in types} == types
