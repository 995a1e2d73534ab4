"""What a request leaves behind, held against the plain twins that encode one field after the other."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from instrumentation.context import Parent, leave, seed_ids
from instrumentation.encode import log as encode_log
from instrumentation.encode import otlp
from instrumentation.encode import span as encode_span
from instrumentation.integrations.http import HttpServer
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


class Endings(list):
    """Keeps what has ended, as `Intake` does."""

    add = list.append


def serve(http):
    """Serve requests of all kinds."""
    traceparent = b"00-0102030405060708090a0b0c0d0e0f10-1112131415161718-01"
    for status, headers, exception in (
        (200, [(b"host", b"shop:80"), (b"user-agent", b"curl")], None),
        (404, [(b"traceparent", traceparent), (b"x-request-id", b"r-1")], None),
        (500, [], ValueError("no")),
        (503, [], None),
    ):
        span, token = http.start("GET", headers)
        if status == 404:
            span.set_attribute("http.route", "/own")
            span.add_event("seen", {"a": 1})
        http.finish(span, "GET", "/items/{id}", status, "/items/1", "https", exception=exception)
        leave(token)
        assert not span.is_recording()
    span, token = http.start("GET", [])
    http.finish(span, "GET", None, 200, "/stream", "http", streaming=True)
    leave(token)


def test_what_is_made_later_equals_what_is_made_at_once(make_kit, monkeypatch):
    """Requests that wait for their records leave the same records and durations as those that do not."""
    monkeypatch.setattr("instrumentation.integrations.request_span.time_ns", lambda: START_NS)
    for clock in ("request_span", "http"):
        monkeypatch.setattr(f"instrumentation.integrations.{clock}.perf_counter_ns", lambda: 1_000_000)
    monkeypatch.setattr("instrumentation.signals.span.time_ns", lambda: START_NS)
    kits, endings = (make_kit(), make_kit()), Endings()
    for kit, later in zip(kits, (None, endings), strict=True):
        undo = seed_ids(7)
        signals = dataclasses.replace(kit.signals, endings=later)
        serve(HttpServer(signals, "test"))
        undo()
    at_once, later = kits
    made = [ended.records() for ended in endings]
    assert len(made) == 5
    assert [span for span, _, _ in made] == at_once.spans
    assert [log for _, log, _ in made] == at_once.records
    assert [line for _, _, (_, line) in made] == at_once.lines
    assert (later.spans, later.records, later.lines) == ([], [], [])
    durations = [
        [
            (point.attributes, point.counts, point.exemplars)
            for family in kit.signals.metrics.snapshot()
            for point in family.points
        ]
        for kit in kits
    ]
    assert durations[0] == durations[1]


@pytest.mark.parametrize("sampler", ["always_off", "parentbased_always_on"])
def test_only_what_all_signals_take_waits(make_kit, sampler):
    """A request that is sampled out, or whose span the service ended itself, is not put with the others."""
    kit, endings = make_kit(sampler), Endings()
    http = HttpServer(dataclasses.replace(kit.signals, endings=endings), "test")
    span, token = http.start("GET", [])
    span.end()
    http.finish(span, "GET", None, 200, "/", "http")
    leave(token)
    assert (len(endings), len(kit.spans), len(kit.records), len(kit.lines)) == (0, sampler != "always_off", 1, 1)


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
