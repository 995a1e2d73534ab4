"""One order through the running shop, read back from the backend."""

import json
import re
import secrets

import pytest

FIVE = {"gateway", "orders", "inventory", "payments", "notifications"}


def place(gateway, customer="ann", sku="horn", **headers):
    """Place an order under a trace and request ID of the caller's; return the answer and both ids."""
    trace_id, request_id = secrets.token_hex(16), f"story-{secrets.token_hex(4)}"
    response = gateway.post(
        "/orders",
        json={"customer_id": customer, "items": [{"sku": sku, "quantity": 2}]},
        headers={"traceparent": f"00-{trace_id}-{CALLER}-01", "X-Request-ID": request_id, **headers},
    )
    assert response.status_code == 202, response.text
    assert response.headers["x-request-id"] == request_id
    assert response.headers["traceresponse"][3:35] == trace_id
    return response.json()["order_id"], trace_id, request_id


CALLER = "00f067aa0ba902b7"


def complete(spans, last):
    """Return the spans once the trace's last one and every span's parent have arrived."""
    known = {span.span_id for span in spans} | {CALLER}
    ended = any(span.name == last and span.service == "notifications" for span in spans)
    return spans if ended and all(span.parent_id in known for span in spans) else None


def test_one_order_is_one_trace(gateway, backend, settled, eventually):
    """An order is one trace of all five services, with right parents across HTTP, gRPC and broker, and no orphan."""
    order_id, trace_id, _ = place(gateway)
    assert settled(order_id)["status"] == "confirmed"
    spans = eventually(lambda: complete(backend.trace(trace_id), "process orders.confirmed"), 3)
    by_id = {span.span_id: span for span in spans}
    assert {span.service for span in spans} == FIVE
    roots = [span for span in spans if span.parent_id not in by_id]
    assert [(span.service, span.kind, span.name, span.parent_id) for span in roots] == [
        ("gateway", "SERVER", "POST /orders", CALLER)
    ]
    edges = {
        (by_id[span.parent_id].service, by_id[span.parent_id].kind, span.service, span.kind, span.name)
        for span in spans
        if span.parent_id in by_id
    }
    create = "shop.orders.v1.Orders/CreateOrder"
    assert {
        ("gateway", "SERVER", "gateway", "CLIENT", create),
        ("gateway", "CLIENT", "orders", "SERVER", create),
        ("orders", "SERVER", "orders", "PRODUCER", "publish orders.created"),
        ("orders", "PRODUCER", "inventory", "CONSUMER", "process orders.created"),
        ("inventory", "CONSUMER", "inventory", "PRODUCER", "publish inventory.reserved"),
        ("inventory", "PRODUCER", "payments", "CONSUMER", "process inventory.reserved"),
        ("payments", "CONSUMER", "payments", "PRODUCER", "publish payments.charged"),
        ("payments", "PRODUCER", "orders", "CONSUMER", "process payments.charged"),
        ("orders", "CONSUMER", "orders", "PRODUCER", "publish orders.confirmed"),
        ("orders", "PRODUCER", "notifications", "CONSUMER", "process orders.confirmed"),
    } <= edges
    assert {span.attributes.get("request_id") for span in spans if span.kind == "SERVER"} == {_request_of(spans)}


def _request_of(spans):
    return next(span.attributes["request_id"] for span in spans if span.name == "POST /orders")


def test_the_relay_s_loop_is_a_trace_of_its_own(gateway, backend, settled, eventually):
    """A message's PRODUCER span is a child of the order's trace and links to the loop that published it."""
    order_id, trace_id, _ = place(gateway)
    settled(order_id)
    spans = eventually(lambda: complete(backend.trace(trace_id), "process orders.confirmed"), 3)
    producers = [span for span in spans if span.kind == "PRODUCER"]
    assert producers
    for producer in producers:
        (loop,) = producer.links
        assert loop != trace_id


def test_every_service_logs_under_the_request(gateway, backend, settled, eventually):
    """The trace's log lines come from all five services, each with the request ID; the ID alone finds them too."""
    order_id, trace_id, request_id = place(gateway)
    settled(order_id)
    query = f'{{service_name=~".+"}} | trace_id="{trace_id}"'
    found = eventually(
        lambda: {labels["service_name"] for labels, _ in backend.logs(query)} == FIVE and backend.logs(query)
    )
    assert {labels["request_id"] for labels, _ in found} == {request_id}
    by_request = backend.logs(f'{{service_name=~".+"}} | request_id="{request_id}"')
    assert sorted(line for _, line in by_request) == sorted(line for _, line in found)


def test_the_gateway_s_exemplar_leads_to_a_trace(gateway, backend, settled, eventually):
    """An exemplar on the gateway's /metrics names a trace that the backend has."""
    order_id, _, _ = place(gateway)
    settled(order_id)
    page = gateway.get("/metrics", headers={"accept": "application/openmetrics-text"}).text
    (trace_id, *_) = re.findall(
        r'http_server_request_duration_seconds_bucket\{[^}]*\} \d+ # \{trace_id="([0-9a-f]{32})"', page
    )
    assert eventually(lambda: backend.trace(trace_id), 3)


def test_a_declined_payment_is_compensated_in_the_same_trace(gateway, backend, settled, eventually):
    """A declined payment shows the forward steps, then the compensation, in one trace; the stock is restored."""

    sku = "sandals"  # which no other test orders

    def stock():
        return {product["sku"]: product["stock"] for product in gateway.get("/products").json()["products"]}[sku]

    before = stock()
    order_id, trace_id, _ = place(gateway, customer="declined-bob", sku=sku)
    order = settled(order_id)
    assert (order["status"], bool(order["reason"])) == ("cancelled", True)
    spans = eventually(lambda: complete(backend.trace(trace_id), "process orders.cancelled"), 3)
    published = [span.name for span in spans if span.kind == "PRODUCER"]
    steps = ["orders.created", "inventory.reserved", "payments.declined", "inventory.release", "inventory.released"]
    assert sorted(published) == sorted(f"publish {step}" for step in [*steps, "orders.cancelled"])
    by_id = {span.span_id: span for span in spans}
    cancelled = next(span for span in spans if span.name == "process orders.cancelled")
    assert [step for step in _ancestors(cancelled, by_id) if step.startswith("publish")] == [
        f"publish {step}" for step in ["orders.cancelled", *reversed(steps)]
    ]
    assert stock() == before


def _ancestors(span, by_id):
    while span is not None:
        yield span.name
        span = by_id.get(span.parent_id)


def test_a_search_finds_the_declined_order(gateway, backend, settled, eventually):
    """A TraceQL search by service and span name finds the trace of a declined payment."""
    order_id, trace_id, _ = place(gateway, customer="declined-bob")
    settled(order_id)
    query = '{resource.service.name="payments" && name="publish payments.declined"}'
    assert eventually(lambda: trace_id in backend.search(query), 30)  # Tempo finds a trace some 10 s after its end


def test_no_query_and_no_header_is_stored(gateway, backend, settled, eventually):
    """A secret in a query string, a cookie or an authorization header is in no span and no log line."""
    secret = f"s3cret{secrets.token_hex(8)}"
    trace_id = secrets.token_hex(16)
    headers = {
        "traceparent": f"00-{trace_id}-00f067aa0ba902b7-01",
        "authorization": f"Bearer {secret}",
        "cookie": f"session={secret}",
    }
    assert gateway.get(f"/products?token={secret}", headers=headers).status_code == 200
    spans = eventually(lambda: backend.trace(trace_id), 3)
    assert secret not in repr(spans)
    lines = eventually(lambda: backend.logs(f'{{service_name="gateway"}} | trace_id="{trace_id}"'), 3)
    assert secret not in json.dumps(lines)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ('{"customer_id": "a", "items": [{"sku": "no-such-thing", "quantity": 1}]}', {}, (404, 422)),
        ('{"customer_id": "a", "items": [', {}, (400, 422)),
        ('{"customer_id": "a"}', {}, (422,)),
        ('{"customer_id": "a", "items": [{"sku": "horn", "quantity": -1}]}', {}, (422,)),
    ],
)
def test_a_bad_order_is_told_why(gateway, body, headers, status):
    """An unknown SKU or a bad body is answered with a 4xx problem document."""
    response = gateway.post("/orders", content=body, headers={"content-type": "application/json", **headers})
    assert response.status_code in status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == response.status_code
