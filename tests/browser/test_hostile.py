"""What strangers send is text, everywhere."""

import time

import httpx
from playwright.sync_api import expect

HOSTILE = """<img src=x onerror=alert(1)><script>alert(2)</script>"'`${alert(3)}{{7*7}}</svg><svg onload=alert(4)>"""


def text(value):
    return {"stringValue": value}


def send(otlp_url, trace_id, span_id):
    """Send a trace and a log line whose every name and value is markup."""
    now = time.time_ns()
    resource = {
        "attributes": [{"key": "service.name", "value": text(HOSTILE)}, {"key": HOSTILE, "value": text(HOSTILE)}]
    }
    attributes = [{"key": HOSTILE, "value": text(HOSTILE)}, {"key": "outcome", "value": text(HOSTILE)}]
    span = {
        "traceId": trace_id,
        "spanId": span_id,
        "name": HOSTILE,
        "kind": 2,
        "startTimeUnixNano": str(now - 10**9),
        "endTimeUnixNano": str(now),
        "attributes": attributes,
        "events": [{"name": HOSTILE, "timeUnixNano": str(now), "attributes": attributes}],
        "status": {"code": 2, "message": HOSTILE},
    }
    line = {"timeUnixNano": str(now), "severityNumber": 17, "body": text(HOSTILE), "attributes": attributes}
    line |= {"traceId": trace_id, "spanId": span_id}
    point = {"asInt": "3", "timeUnixNano": str(now), "startTimeUnixNano": str(now - 10**9), "attributes": attributes}
    counter = {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [point]}
    messages = {
        "traces": {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]},
        "logs": {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [line]}]}]},
        "metrics": {
            "resourceMetrics": [
                {"resource": resource, "scopeMetrics": [{"metrics": [{"name": HOSTILE, "sum": counter}]}]}
            ]
        },
    }
    for signal, message in messages.items():
        httpx.post(f"{otlp_url}/v1/{signal}", json=message).raise_for_status()


def test_hostile_content_is_text_on_every_page(open_page, shop):
    """Markup in names, attributes, events, messages and metrics is shown, never run: no dialog, no strange element."""
    trace_id, span_id = "ab" * 16, "cd" * 8
    send(shop.otlp_url, trace_id, span_id)
    page = open_page("/logs")
    expect(page.locator(".main-log")).to_contain_text("onerror=alert(1)")
    page.locator(".line", has_text="onerror=alert(1)").first.locator("summary").click(position={"x": 5, "y": 5})
    expect(page.locator(".line details[open] .acts").first).to_be_attached()
    paths = ("/", "/traces?q={status=error}", f"/trace/{trace_id}", "/metrics", "/map", "/changed", "/traces?by=name")
    for path in paths:
        page.goto(path)
        assert page.locator("img[src=x], svg[onload], main script").count() == 0
    page.goto("/traces")
    page.get_by_role("combobox", name="TraceQL").fill("{ name = ")
    expect(page.get_by_role("option").first).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
