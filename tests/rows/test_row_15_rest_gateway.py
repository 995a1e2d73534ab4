"""REST outside, gRPC inside: what a caller of the gateway starts."""

import re
import secrets


def test_the_root_of_a_trace_is_the_gateway_s_http_span_with_grpc_children(gateway, backend, eventually):
    """A request without trace headers makes a trace whose root is the HTTP SERVER span; its gRPC calls are children."""
    created = gateway.post("/orders", json={"customer_id": "ann", "items": [{"sku": "horn", "quantity": 1}]})
    assert created.status_code == 202
    order_id = created.json()["order_id"]
    for response, name in (
        (created, "POST /orders"),
        (gateway.get(f"/orders/{order_id}"), "GET /orders/{order_id}"),
    ):
        trace_id = response.headers["traceresponse"][3:35]
        spans = eventually(lambda trace_id=trace_id: _with_both_sides(backend.trace(trace_id)))
        (root,) = [span for span in spans if not span.parent_id]
        assert (root.service, root.kind, root.name) == ("gateway", "SERVER", name)
        assert root.attributes["http.request.method"] == name.split()[0]
        called = [span for span in spans if span.service == "gateway" and span.attributes.get("rpc.system.name")]
        served = {span.parent_id: span for span in spans if span.kind == "SERVER" and span is not root}
        assert called
        for span in called:
            assert (span.kind, span.parent_id) == ("CLIENT", root.span_id)
            assert re.fullmatch(r"shop\.\w+\.v1\.\w+/\w+|shop\.\w+/\w+", span.name), span.name
            child = served[span.span_id]
            assert child.service != "gateway"
            assert child.attributes["rpc.method"] == span.attributes["rpc.method"] == child.name
            assert child.attributes["rpc.response.status_code"] == "OK"


def _with_both_sides(spans):
    """Return the spans once the root and the server's side of each of its gRPC calls have arrived."""
    parents = {span.parent_id for span in spans}
    called = [span for span in spans if span.service == "gateway" and span.attributes.get("rpc.system.name")]
    complete = "" in parents and called and all(span.span_id in parents for span in called)
    return spans if complete else None


def test_outside_callers_get_http_errors(gateway, backend, eventually):
    """A gRPC failure is a problem document outside; the trace holds the gRPC status under the HTTP one."""
    unknown = secrets.token_hex(16)
    response = gateway.get(f"/orders/{unknown}")
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("application/problem+json")
    trace_id = response.headers["traceresponse"][3:35]
    spans = eventually(lambda: _with_both_sides(backend.trace(trace_id)))
    by_kind = {span.kind: span for span in spans if span.service == "gateway"}
    assert by_kind["SERVER"].attributes["http.response.status_code"] in (404, "404")
    assert by_kind["CLIENT"].attributes["rpc.response.status_code"] == "NOT_FOUND"
