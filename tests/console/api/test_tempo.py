"""The trace API in Tempo's shape."""

import base64
import os
import time

import pytest


def test_a_trace_comes_back_in_batches_with_base64_ids(console, make):
    """A trace of two services is two batches, each with its resource and scope."""
    root = make.span(name="root")
    child = make.span(root.trace_id, root.span_id, "child")
    console.send_traces(make.traces(root, service="one"))
    console.send_traces(make.traces(child, service="two"))
    trace = console.wait(f"/api/traces/{root.trace_id.hex()}", lambda answer: len(answer.json()["batches"]) == 2).json()
    spans = [batch["scopeSpans"][0]["spans"][0] for batch in trace["batches"]]
    assert [base64.b64decode(span["spanId"]) for span in spans] == [root.span_id, child.span_id]
    assert base64.b64decode(spans[1]["parentSpanId"]) == root.span_id
    assert trace["batches"][0]["resource"]["attributes"] == [{"key": "service.name", "value": {"stringValue": "one"}}]
    assert trace["batches"][0]["scopeSpans"][0]["scope"] == {"name": "test"}


def test_a_span_delivered_twice_comes_once(console, make):
    """A batch that its sender repeated after a timeout does not double the trace."""
    request = make.traces(make.span(name="twice"))
    console.send_traces(request)
    marker = make.span(name="after")
    console.send_traces(request)
    console.send_traces(make.traces(marker))
    trace_id = request.resource_spans[0].scope_spans[0].spans[0].trace_id.hex()
    [batch] = console.get(f"/api/traces/{trace_id}").json()["batches"]
    assert len(batch["scopeSpans"][0]["spans"]) == 1


def test_more_spans_than_a_chunk_keep_their_order(console, make):
    """A batch of 1300 spans is split inside and comes back whole, in order of start."""
    trace_id, now_ns = os.urandom(16), time.time_ns()
    spans = [make.span(trace_id, name=f"n{number}", start_ns=now_ns + number) for number in range(1300)]
    console.send_traces(make.traces(*spans))
    [batch] = console.get(f"/api/traces/{trace_id.hex()}").json()["batches"]
    assert [span["name"] for span in batch["scopeSpans"][0]["spans"]] == [f"n{number}" for number in range(1300)]


@pytest.mark.parametrize(("trace_id", "code"), [("0" * 31 + "1", 404), ("xyz", 400), ("a" * 31, 400), ("é" * 32, 400)])
def test_an_unknown_trace_is_404_and_a_wrong_id_400(console, trace_id, code):
    """Not there yet and never possible are told apart."""
    assert console.get(f"/api/traces/{trace_id}").status_code == code


def test_search_has_tempos_fields_and_honours_time_and_limit(console, make):
    """A found trace has Tempo's fields; start and end are seconds; limit bounds the traces, the newest first."""
    mark = os.urandom(6).hex()
    spans = [make.span(name=f"s{at}", start_ns=at * 10**9, attributes={"m": mark}) for at in (100, 200, 300)]
    console.send_traces(make.traces(*spans, service="past"))
    query = f'{{ span.m = "{mark}" }}'
    [found] = console.get("/api/search", q=query, start=150, end=250).json()["traces"]
    spanset = {
        "spans": [{"spanID": spans[1].span_id.hex(), "startTimeUnixNano": "200000000000", "durationNanos": "1000000"}],
        "matched": 1,
    }
    assert found == {
        "traceID": spans[1].trace_id.hex(),
        "rootServiceName": "past",
        "rootTraceName": "s200",
        "startTimeUnixNano": "200000000000",
        "durationMs": 1,
        "spanSet": spanset,
        "spanSets": [spanset],
    }
    newest = console.get("/api/search", q=query, limit=2).json()["traces"]
    assert [one["rootTraceName"] for one in newest] == ["s300", "s200"]


@pytest.mark.parametrize(
    "parameters", [{"q": "{ nope }"}, {"limit": "0"}, {"limit": "x"}, {"start": "soon"}, {"start": 9, "end": 3}]
)
def test_wrong_parameters_are_named(console, parameters):
    """A wrong query, limit or time is 400 with an explanation, not an empty answer."""
    answer = console.get("/api/search", **parameters)
    assert answer.status_code == 400
    assert len(answer.json()["error"]) > 20
