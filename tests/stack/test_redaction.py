"""What the Collector's configuration lets through."""

import urllib.request

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from stack.native import ROOT

pytestmark = pytest.mark.stack

# What is planted, and what must be left of it.
TEXTS = {
    "header": ("Authorization: Bearer abcdef123456789", "abcdef123456789"),
    "basic": ("basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA"),
    "card": ("charged 4111 1111 1111 1111 twice", "1111 1111"),
    "amex": ("378282246310005", "378282246310005"),
    "url": ("GET https://ann:hunter2@shop.example/orders", "hunter2"),
    "jwt": ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "eyJhbGciOiJIUzI1NiJ9"),
    "query": ("https://shop.example/?access_token=qwerty&page=2", "qwerty"),
    "said": ("login failed: password = 'swordfish', twice", "swordfish"),
    "stripe": ("no such key sk_live_51Habcdef", "51Habcdef"),
}
KEYS = [
    "authorization",
    "http.request.header.authorization",
    "cookie",
    "db.password",
    "user.api_key",
    "session_token",
    "token",
]
HARMLESS = {
    "order_id": "7c9e6679-7425-40de-944b-e07fc1f90afe",
    "messaging.message.id": "4123e4567e89b12d3a456426614174000",
    "gen_ai.usage.input_tokens": "912",
    "tokenizer": "bpe",
    "url.path": "/basic/products",
    "exception.message": "card declined",
}


def text(key, value):
    """Make an attribute."""
    return KeyValue(key=key, value=AnyValue(string_value=value))


PLANTED = [
    *(text(key, value) for key, (value, _) in TEXTS.items()),
    *(text(key, "opensesame") for key in KEYS),
    KeyValue(key="number", value=AnyValue(int_value=4111111111111111)),
    KeyValue(key="list", value=AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="password=opensesame")]))),
    KeyValue(key="map", value=AnyValue(kvlist_value=KeyValueList(values=[text("url", "x://a:opensesame@b")]))),
]
SECRETS = ["opensesame", "4111111111111111", *(secret for _, secret in TEXTS.values())]


def post(collector, path, request):
    """Send a request to the Collector."""
    asked = urllib.request.Request(
        f"{collector.otlp_url}/v1/{path}", request.SerializeToString(), {"content-type": "application/x-protobuf"}
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert answer.status == 200


def send_everywhere(collector, attributes):
    """Send a span, a log record and a metric that have the attributes wherever attributes may be."""
    traces = ExportTraceServiceRequest()
    resource = traces.resource_spans.add()
    resource.resource.attributes.extend(attributes)
    scope = resource.scope_spans.add()
    scope.scope.attributes.extend(attributes)
    for number, (value, _) in enumerate(TEXTS.values(), 1):
        span = scope.spans.add(trace_id=b"t" * 16, span_id=bytes([number] * 8), name=value, attributes=attributes)
        span.status.message = value
        span.events.add(name="exception", attributes=attributes)
    post(collector, "traces", traces)
    logs = ExportLogsServiceRequest()
    resource = logs.resource_logs.add()
    resource.resource.attributes.extend(attributes)
    for value, _ in TEXTS.values():
        resource.scope_logs.add().log_records.add(body=AnyValue(string_value=value), attributes=attributes)
    post(collector, "logs", logs)
    metrics = ExportMetricsServiceRequest()
    resource = metrics.resource_metrics.add()
    resource.resource.attributes.extend(attributes)
    metric = resource.scope_metrics.add().metrics.add(name="requests")
    metric.sum.data_points.add(attributes=attributes, as_int=1)
    metric.sum.aggregation_temporality = 2
    post(collector, "metrics", metrics)


def arrived(sink):
    """Wait for all three signals and return all that was sent on, as text."""
    sink.wait_for(lambda: {path for path, _ in sink.requests} == {"/v1/traces", "/v1/logs", "/v1/metrics"})
    return "".join(str(request) for _, request in sink.requests)


def test_no_secret_passes(start_collector, otlp_sink):
    """Headers, card numbers, passwords in URLs and tokens are masked, also in names, status and bodies."""
    send_everywhere(start_collector(), PLANTED)
    passed = arrived(otlp_sink)
    assert [secret for secret in SECRETS if secret in passed] == []


def test_what_is_harmless_passes(start_collector, otlp_sink, plain):
    """Attributes that only look a little like a secret pass as they are, and nothing is added to them."""
    send_everywhere(start_collector(), [text(key, value) for key, value in HARMLESS.items()])
    arrived(otlp_sink)
    (span, *_), (record, *_) = otlp_sink.records("traces"), otlp_sink.records("logs")
    assert plain(span.attributes) == plain(record.attributes) == HARMLESS
    assert plain(span.events[0].attributes) == HARMLESS


def test_the_rest_of_a_text_is_kept(start_collector, otlp_sink):
    """Only the secret is masked, so that what happened can still be read."""
    send_everywhere(start_collector(), [])
    arrived(otlp_sink)
    assert {span.name for span in otlp_sink.records("traces")} >= {
        "charged **** twice",
        "login failed: ****, twice",
        "https://shop.example/?****&page=2",
        "GET https****shop.example/orders",
    }
    assert {span.name for span in otlp_sink.records("traces")} == {
        span.status.message for span in otlp_sink.records("traces")
    }


def test_the_strict_overlay_removes_what_is_not_listed(start_collector, otlp_sink, plain):
    """With collector/strict.yaml an attribute that nobody listed is removed; names and listed ones stay."""
    collector = start_collector(ROOT / "collector/strict.yaml")
    send_everywhere(collector, [text("order_id", "7"), text("unheard_of", "8")])
    arrived(otlp_sink)
    (span, *_), (record, *_) = otlp_sink.records("traces"), otlp_sink.records("logs")
    assert plain(span.attributes) == plain(record.attributes) == {"order_id": "7"}
    assert span.name.startswith("Authorization: ")
