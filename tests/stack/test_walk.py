"""Every link between signals, walked by id on the real backends."""

import time

import pytest

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

ROUTE = "/orders"
LATENCY = f'http_server_request_duration_seconds_bucket{{service_name="gateway", http_route="{ROUTE}"}}'


@pytest.fixture(scope="module")
def order(calm_shop, stack_reader):
    """The exemplar of an order, the spans of its trace, and its log lines, each found by what the one before says."""
    import httpx

    with httpx.Client(base_url=calm_shop.gateway_url, timeout=20) as gateway:
        body = {"customer_id": "ann", "items": [{"sku": "horn", "quantity": 1}]}
        answer = gateway.post("/orders", json=body)
    assert answer.status_code == 202
    trace_id = answer.headers["traceresponse"][3:35]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        exemplars = [found for found in stack_reader.exemplars(LATENCY) if found.trace_id == trace_id]
        spans = stack_reader.trace(trace_id)
        lines = stack_reader.logs(f'{{service_name=~".+"}} | trace_id="{trace_id}"')
        if exemplars and {span.service for span in spans} >= {"notifications"} and len(lines) > 4:
            return exemplars[0], spans, lines
        time.sleep(0.5)
    pytest.fail(f"order {trace_id}: {len(exemplars)} exemplars, {len(spans)} spans, {len(lines)} log lines")
    return None


def test_an_exemplar_leads_to_its_span(order):
    """A latency's exemplar names a trace and a span in it, and that span is of the same service, route and status."""
    exemplar, spans, _ = order
    (span,) = [span for span in spans if span.span_id == exemplar.span_id]
    assert (span.service, span.kind) == (exemplar.series["service_name"], "SERVER")
    assert span.attributes["http.route"] == exemplar.series["http_route"]
    assert int(span.attributes["http.response.status_code"]) == int(exemplar.series["http_response_status_code"])


def test_a_trace_leads_to_its_logs_and_they_lead_back(order):
    """The trace's log lines come from all five services, and each names a span that the trace has."""
    _, spans, lines = order
    assert {labels["service_name"] for labels, _ in lines} == {span.service for span in spans}
    by_id = {span.span_id: span.service for span in spans}
    assert [labels for labels, _ in lines if by_id.get(labels["span_id"]) != labels["service_name"]] == []


def test_a_span_leads_to_its_metrics(order, stack_reader):
    """What a server span says of service, method, route and status finds the series that counted it."""
    _, spans, _ = order
    (span,) = [span for span in spans if span.name == f"POST {ROUTE}" and span.kind == "SERVER"]
    query = (
        f'http_server_request_duration_seconds_count{{service_name="{span.service}",'
        f'http_route="{span.attributes["http.route"]}",'
        f'http_request_method="{span.attributes["http.request.method"]}",'
        f'http_response_status_code="{span.attributes["http.response.status_code"]}"}}'
    )
    ((_, count),) = stack_reader.metrics(query)
    assert count >= 1
