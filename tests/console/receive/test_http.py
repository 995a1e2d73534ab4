"""OTLP/HTTP as the specification has it."""

import gzip
import json
import os
import threading
import zlib

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


def test_the_sdks_spans_come_back(console):
    """What OpenTelemetry's own SDK encodes is stored and returned."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "from-sdk"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("t").start_as_current_span("by the sdk") as span:
        span.set_attribute("n", 3)
    request = encode_spans(exporter.get_finished_spans())
    console.send_traces(request)
    trace_id = request.resource_spans[0].scope_spans[0].spans[0].trace_id.hex()
    [batch] = console.get(f"/api/traces/{trace_id}").json()["batches"]
    [returned] = batch["scopeSpans"][0]["spans"]
    assert (returned["name"], returned["attributes"]) == ("by the sdk", [{"key": "n", "value": {"intValue": "3"}}])


def test_json_ids_are_hex(console):
    """OTLP/JSON carries ids as hex, and is answered in JSON."""
    trace_id, span_id = os.urandom(16).hex(), os.urandom(8).hex()
    span = {
        "traceId": trace_id,
        "spanId": span_id,
        "name": "json",
        "kind": 2,
        "startTimeUnixNano": "1700000000000000000",
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span | {"links": [span]}]}]}], "unknown": 1})
    answer = console.post("/v1/traces", body.encode(), content_type="application/json; charset=utf-8")
    assert (answer.status_code, answer.headers["content-type"], answer.json()) == (200, "application/json", {})
    found = console.wait(f"/api/traces/{trace_id}", lambda answer: answer.status_code == 200).json()
    [returned] = found["batches"][0]["scopeSpans"][0]["spans"]
    assert returned["kind"] == "SPAN_KIND_SERVER"
    assert returned["links"][0]["traceId"] == returned["traceId"]


def test_gzip_is_inflated(console, make):
    """A gzip body is taken like any other, and answered with an empty protobuf response of the same type."""
    span = make.span(name="zipped")
    body = gzip.compress(make.traces(span).SerializeToString())
    answer = console.post("/v1/traces", body, content_encoding="gzip")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-protobuf")
    assert ExportTraceServiceResponse.FromString(answer.content) == ExportTraceServiceResponse()
    console.wait(f"/api/traces/{span.trace_id.hex()}", lambda answer: answer.status_code == 200)


def test_spans_without_ids_are_rejected_alone(console, make):
    """A span with a wrong id is reported as a partial success; the others of its batch are stored."""
    sound, broken = make.span(name="sound"), make.span(trace_id=b"short")
    answer = console.post("/v1/traces", make.traces(broken, sound))
    response = ExportTraceServiceResponse.FromString(answer.content)
    assert (answer.status_code, response.partial_success.rejected_spans) == (200, 1)
    console.wait(f"/api/traces/{sound.trace_id.hex()}", lambda answer: answer.status_code == 200)


def _bomb() -> bytes:
    deflate = zlib.compressobj(9, wbits=31)
    block = bytes(1 << 20)
    return b"".join(deflate.compress(block) for _ in range(64)) + deflate.flush()


@pytest.mark.parametrize(
    ("body", "headers", "code", "words"),
    [
        (b"\xff\xff\xff", {}, 400, "not a protobuf ExportTraceServiceRequest"),
        (b"{", {"content_type": "application/json"}, 400, "not OTLP/JSON"),
        (b"[1]", {"content_type": "application/json"}, 400, "not OTLP/JSON"),
        (b'{"resourceSpans": 7}', {"content_type": "application/json"}, 400, "not OTLP/JSON"),
        (b'{"traceId": "zz"}', {"content_type": "application/json"}, 400, "traceId must be hex digits"),
        (b"[" * 100_000, {"content_type": "application/json"}, 400, "not OTLP/JSON"),
        (b"no gzip", {"content_encoding": "gzip"}, 400, "not valid gzip"),
        (gzip.compress(b"x" * 999, mtime=0)[:-5], {"content_encoding": "gzip"}, 400, "ends too early"),
        (_bomb(), {"content_encoding": "gzip"}, 413, "larger than 16 MiB"),
        (bytes((16 << 20) + 1), {}, 413, "larger than 16 MiB"),
        (b"", {"content_type": "text/plain"}, 415, "application/x-protobuf"),
        (b"", {"content_encoding": "br"}, 415, "send gzip or identity"),
    ],
)
def test_what_cannot_be_taken_is_explained(console, body, headers, code, words):
    """A refused request gets the status and the words that tell its sender what to change."""
    answer = console.post("/v1/traces", body, **headers)
    assert answer.status_code == code
    assert words in answer.content.decode(errors="replace")


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
def test_an_empty_request_is_accepted(console, path):
    """An export without items is a success of each signal."""
    assert console.post(path, b"").status_code == 200


def test_a_chunked_body_stops_at_the_limit(console):
    """A body without Content-Length is refused as soon as it is too large, not read to its end."""
    sent = threading.Event()

    def pieces():
        for _ in range(10_000):
            yield bytes(1 << 20)
        sent.set()

    headers = {"content-type": "application/x-protobuf"}
    try:
        answer = httpx.post(f"{console.otlp}/v1/traces", content=pieces(), headers=headers, timeout=10)
        assert answer.status_code == 413
    except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        pass  # the connection was closed while the body was still on its way
    assert not sent.is_set()
