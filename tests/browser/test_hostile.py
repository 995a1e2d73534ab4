"""What strangers send is text, everywhere."""

import json
import time
from urllib.parse import quote, urlencode

import httpx
import pytest
from clew_console.exchange.format import Frame, RunEncoder
from clew_console.options import Options
from clew_console.running import RunningConsole
from playwright.sync_api import expect

HOSTILE = """<img src=x onerror=alert(1)><script>alert(2)</script>"'`${alert(3)}{{7*7}}</svg><svg onload=alert(4)>"""


TRACE_ID, SPAN_IDS = "ab" * 16, [f"c{number}" * 8 for number in range(4)]


def text(value):
    return {"stringValue": value}


def send(otlp_url):
    """Send a trace of two services, a log line and metrics whose every name and value is markup."""
    now = time.time_ns()
    attributes = [{"key": key, "value": text(HOSTILE)} for key in (HOSTILE, "outcome", "messaging.destination.name")]
    attributes += [{"key": key, "value": text(HOSTILE)} for key in ("messaging.system", "http.route", "error.type")]
    identity = {"traceId": TRACE_ID, "attributes": attributes}
    span = {
        **identity,
        "name": HOSTILE,
        "startTimeUnixNano": str(now - 10**9),
        "endTimeUnixNano": str(now),
        "events": [{"name": HOSTILE, "timeUnixNano": str(now), "attributes": attributes}],
        "links": [{"traceId": TRACE_ID, "spanId": SPAN_IDS[1], "attributes": attributes}],
        "status": {"code": 2, "message": HOSTILE},
        "traceState": HOSTILE,
    }
    root = {**span, "spanId": SPAN_IDS[0], "kind": 2}
    caller = {**span, "spanId": SPAN_IDS[1], "parentSpanId": SPAN_IDS[0], "kind": 4}
    callee = {**span, "spanId": SPAN_IDS[2], "parentSpanId": SPAN_IDS[1], "kind": 5}
    database = [{"key": "db.system.name", "value": text(HOSTILE)}, {"key": "db.namespace", "value": text(HOSTILE)}]
    query = {**span, "spanId": SPAN_IDS[3], "parentSpanId": SPAN_IDS[0], "kind": 3, "attributes": database}
    line = {**identity, "timeUnixNano": str(now), "severityNumber": 17, "body": text(HOSTILE), "spanId": SPAN_IDS[0]}
    exemplar = {"traceId": TRACE_ID, "spanId": SPAN_IDS[0], "timeUnixNano": str(now), "asDouble": 1}
    point = {"startTimeUnixNano": str(now - 10**9), "timeUnixNano": str(now), "attributes": attributes}
    counter = {"aggregationTemporality": 2, "isMonotonic": True}
    counter["dataPoints"] = [{**point, "asInt": "3", "exemplars": [exemplar]}]
    for service in (HOSTILE, f"{HOSTILE} again"):
        resource = {"attributes": [{"key": key, "value": text(service)} for key in ("service.name", HOSTILE)]}
        spans = [root, caller, query] if service == HOSTILE else [callee]
        about = {"resource": resource}
        messages = {
            "traces": {"resourceSpans": [{**about, "scopeSpans": [{"scope": {"name": HOSTILE}, "spans": spans}]}]},
            "logs": {"resourceLogs": [{**about, "scopeLogs": [{"logRecords": [line]}]}]},
            "metrics": {
                "resourceMetrics": [
                    {**about, "scopeMetrics": [{"metrics": [{"name": HOSTILE, "unit": HOSTILE, "sum": counter}]}]}
                ]
            },
        }
        for signal, message in messages.items():
            httpx.post(f"{otlp_url}/v1/{signal}", json=message).raise_for_status()


def add_run(console_url):
    """Import a run whose name is markup; return its id."""
    encoder = RunEncoder()
    about = Frame("about", 0, json.dumps({"name": HOSTILE, "started_ns": time.time_ns()}).encode())
    data = encoder.begin() + encoder.add(about) + encoder.end()
    headers = {"content-type": "application/gzip"}
    return httpx.post(f"{console_url}/runs/import", content=data, headers=headers).raise_for_status().json()["id"]


def assert_harmless(page, where):
    """See that the markup made no element, and that the page says it."""
    strange = "img[src=x], [onload], [onerror], body script, main svg svg[onload]"
    assert page.locator(strange).count() == 0, where
    said = page.evaluate(
        "() => document.body.textContent + [...document.querySelectorAll('input')].map(one => one.value).join()"
    )
    assert "<img src=x onerror=alert(1)><script>" in said, where


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    """A console that got nothing but markup."""
    options = Options(port=0, otlp_http_port=0, otlp_grpc_port=0, data=tmp_path_factory.mktemp("hostile"))
    with RunningConsole(options) as running:
        send(running.addresses.otlp_http)
        lines = f"{running.addresses.ui}/loki/api/v1/query_range"
        deadline = time.monotonic() + 10
        while len(httpx.get(lines, params={"query": '{service_name=~".+"}'}).json()["data"]["result"]) < 2:
            assert time.monotonic() < deadline, "the lines do not come"
        yield running.addresses


@pytest.mark.slow
def test_hostile_content_is_text_on_every_page(open_page, addresses):
    """Markup in names, attributes, events, messages, metrics and runs is shown, never run, and cut nowhere."""
    run_id = add_run(addresses.ui)
    page = open_page("/logs", base_url=addresses.ui)
    expect(page.locator(".main-log")).to_contain_text("onerror=alert(1)")
    page.locator(".line", has_text="onerror=alert(1)").first.locator("summary").click(position={"x": 5, "y": 5})
    expect(page.locator(".line details[open] .acts").first).to_be_attached()
    assert_harmless(page, "an opened line")
    paths = (
        "/",
        "/traces?q={status=error}",
        "/traces?by=name",
        f"/traces?{urlencode({'q': HOSTILE})}",
        *(f"/trace/{TRACE_ID}?span={span_id}" for span_id in SPAN_IDS),
        f"/trace/{quote(HOSTILE.replace('/', ''), safe='')}",
        f"/compare?a={TRACE_ID}&b={TRACE_ID}",
        f"/logs?{urlencode({'query': HOSTILE})}",
        "/metrics",
        f"/metrics?{urlencode({'name': HOSTILE, 'by': HOSTILE})}",
        "/map",
        f"/changed?{urlencode({'q': '{ status = error }', 'root': HOSTILE})}",
        "/runs",
        f"/runs/compare?a={run_id}&b=unnamed",
        f"/run/{run_id}/",
    )
    for path in paths:
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(path)
        assert_harmless(page, path)
        page.set_viewport_size({"width": 400, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= 400, path


@pytest.mark.slow
def test_hostile_suggestions_are_text(open_page, addresses):
    """What the query is completed with is text as well."""
    page = open_page("/traces", base_url=addresses.ui)
    page.get_by_role("combobox", name="TraceQL").fill("{ name = ")
    expect(page.get_by_role("option", name="onerror=alert(1)").first).to_be_visible()
    assert page.locator("img[src=x], [onload]").count() == 0
