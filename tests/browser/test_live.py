"""Live pages: new data comes by itself, and what was open stays open."""

import os
import time

import httpx
import pytest
from playwright.sync_api import expect


def is_refresh(asked):
    """Tell whether the page asked for itself again."""
    return "x-clew-refresh" in getattr(asked, "request", asked).headers


def test_new_log_lines_come_by_themselves(open_page, visit):
    """The live tail shows a line a moment after it was written; an opened line stays open, nothing jumps."""
    page = open_page("/logs?range=15m", live=True, clock=True)
    page.locator(".main-log .line").nth(2).locator("summary").click()
    opened = page.locator(".line details[open] time").first.inner_text()
    path = visit()
    with page.expect_response(is_refresh):
        page.clock.fast_forward(2_500)
    expect(page.locator(".main-log")).to_contain_text(path)
    assert page.locator(".line details[open] time").first.inner_text() == opened
    expect(page.get_by_role("link", name="Only lines with this service_name").first).to_be_visible()


@pytest.mark.slow
def test_live_stops_when_told(open_page):
    """With Live off the page stays as it is."""
    page = open_page("/logs?range=15m", live=True, clock=True)
    page.locator("#live[aria-pressed=true]").wait_for()
    with page.expect_response(is_refresh):
        pass
    page.keyboard.press("r")
    expect(page.locator("#live")).to_have_attribute("aria-pressed", "false")
    asked = []
    page.on("request", lambda request: is_refresh(request) and asked.append(request.url))
    page.clock.fast_forward(60_000)
    assert asked == []
    page.keyboard.press("r")
    with page.expect_response(is_refresh):
        page.clock.fast_forward(2_000)


@pytest.mark.slow
def test_a_line_is_shown_among_its_neighbours(open_page):
    """ "Lines around it" keeps the line in sight, marked, with those before and after it of the same process."""
    page = open_page("/logs?range=15m")
    line = page.locator(".main-log .line").nth(40)
    line.locator("summary").click(position={"x": 5, "y": 5})
    body = line.locator(".body").inner_text()
    line.get_by_role("link", name="Lines around it").click()
    expect(page.locator(".line.target .body").first).to_have_text(body)
    assert page.locator(".main-log .line").count() > 3


def send_span(otlp_url, trace_id, name, parent=b"", age_seconds=0.0):
    """Send a span that ended so long ago; return its id."""
    span_id, end_ns = os.urandom(8), time.time_ns() - round(age_seconds * 1e9)
    span = {"traceId": trace_id, "spanId": span_id.hex(), "parentSpanId": parent.hex(), "name": name, "kind": 1}
    span |= {"startTimeUnixNano": str(end_ns - 10**6), "endTimeUnixNano": str(end_ns)}
    message = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    httpx.post(f"{otlp_url}/v1/traces", json=message).raise_for_status()
    return span_id


def wait_for_spans(console_url, trace_id, count):
    """Wait until the trace has so many spans."""
    deadline = time.monotonic() + 10
    while httpx.get(f"{console_url}/api/traces/{trace_id}").text.count('"spanId"') < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_a_trace_is_followed_until_it_is_settled(open_page, shop):
    """Spans that come later appear in an open trace by themselves; one that is old is not asked for again."""
    young, old = os.urandom(16).hex(), os.urandom(16).hex()
    root = send_span(shop.otlp_url, young, "beginning")
    send_span(shop.otlp_url, old, "long ago", age_seconds=120)
    wait_for_spans(shop.console_url, young, 1)
    wait_for_spans(shop.console_url, old, 1)
    page = open_page(f"/trace/{young}", live=True, clock=True)
    page.locator("#live[data-settled='0']").wait_for()
    send_span(shop.otlp_url, young, "what came later", root)
    wait_for_spans(shop.console_url, young, 2)
    with page.expect_response(is_refresh):
        page.clock.fast_forward(3_000)
    expect(page.locator("#waterfall")).to_contain_text("what came later")
    asked = []
    page.on("request", lambda request: is_refresh(request) and asked.append(request.url))
    page.goto(f"/trace/{old}")
    page.locator("#live[data-settled='1'][aria-pressed=false]").wait_for()
    page.clock.fast_forward(60_000)
    assert asked == []
