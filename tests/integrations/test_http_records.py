"""What a request leaves behind, held against the plain twins that encode one field after the other."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from instrumentation.context import Parent
from instrumentation.encode import log as encode_log
from instrumentation.encode import otlp
from instrumentation.encode import span as encode_span
from instrumentation.integrations.http_records import json_record, log_record, new_entry, parts, span_record
from instrumentation.signals.log import INFO, render_json
from instrumentation.signals.metric import MetricStore

SCOPE = otlp.scope("test")
IDS = (bytes(range(1, 17)), bytes(range(21, 29)))
START_NS, END_NS = 1_700_000_000_123_456_789, 1_700_000_000_126_000_789
LABELS = {
    "http.request.method": "GET",
    "http.route": "/items/{item_id}",
    "http.response.status_code": 200,
    "url.scheme": "http",
}
FIELDS = {key: value for key, value in LABELS.items() if key != "url.scheme"}

paths = st.text(max_size=300)
request_ids = st.text("abcXYZ019-_.:/+=@~", min_size=1, max_size=128)
parents = st.sampled_from(
    [None, Parent(IDS[0], bytes(range(31, 39)), True), Parent(IDS[0], b"parent-1", True, "vendor=1", is_remote=False)]
)


@pytest.fixture(scope="module")
def entry():
    cell = MetricStore().histogram("d", unit="s", description="", boundaries=(1.0,)).cell
    return new_entry(SCOPE, "svc", cell, "GET", "/items/{item_id}", 200, "http")


def request(entry, parent, path, request_id, *, sampled=True):
    return parts(entry, *IDS, parent, sampled, START_NS, END_NS, path, request_id, b"")


@given(parent=parents, path=paths, request_id=request_ids)
def test_the_span_equals_its_plain_twin(entry, parent, path, request_id):
    """The joined pieces decode to the same message as a span that sets each attribute."""
    scope, record = span_record(request(entry, parent, path, request_id))
    attributes = {**LABELS, "url.path": path, "request_id": request_id}
    kind = encode_span.name_and_kind("GET /items/{item_id}", 2)
    twin_of = (SCOPE, *IDS, parent, kind, START_NS, END_NS, encode_span.attributes(attributes), b"")
    twin = encode_span.finished(twin_of)[1]
    assert scope == SCOPE
    assert SpanMessage.FromString(record) == SpanMessage.FromString(twin)


@given(path=paths, request_id=request_ids, sampled=st.booleans())
def test_the_log_record_equals_its_plain_twin(entry, path, request_id, sampled):
    """The joined pieces decode to the same message as a record that encodes each attribute."""
    _, record = log_record(request(entry, None, path, request_id, sampled=sampled))
    attributes = {**FIELDS, "url.path": path, "duration_seconds": (END_NS - START_NS) / 1e9, "request_id": request_id}
    rest = encode_log.severity(9, "INFO") + encode_log.body("GET /items/{item_id} 200")
    rest += encode_log.attributes(attributes) + encode_log.ids(*IDS, sampled=sampled)
    assert LogRecord.FromString(record) == LogRecord.FromString(encode_log.record(END_NS, rest))


@given(path=paths, request_id=request_ids)
def test_the_line_equals_its_plain_twin(entry, path, request_id):
    """The joined pieces parse to the same object as a line rendered from attributes."""
    _, line = json_record(request(entry, None, path, request_id))
    fields = {**FIELDS, "url.path": path, "duration_seconds": (END_NS - START_NS) / 1e9}
    identity = Parent(*IDS, sampled=True, request_id=request_id)
    twin = json.loads(render_json("svc", INFO, "access", "GET /items/{item_id} 200", fields, identity, END_NS))
    assert json.loads(line) == {**twin, "duration_seconds": round(fields["duration_seconds"], 6)}
