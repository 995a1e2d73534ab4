"""Ways through the console by clicking."""

import re

import pytest
from playwright.sync_api import expect


def trace_of(page):
    """Return the trace id of the page's address."""
    return re.search(r"/trace/([0-9a-f]{32})", page.url)[1]


def test_a_stranger_finds_why_orders_fail_in_under_ten_clicks(open_page):
    """From the overview: cancelled orders, one of their traces, what such traces share: the new version of payments."""
    page = open_page("/")
    clicks = 0
    for choose in (
        lambda: page.locator(".card", has_text="shop.orders.settled").get_by_role("link", name="cancelled"),
        lambda: page.locator(".plot a[href^='/trace/']").last,
        lambda: page.locator("#panel").get_by_role("link", name="What sets these apart", exact=True),
    ):
        choose().click()
        clicks += 1
    finding = page.locator(".finding").first
    expect(finding).to_contain_text("payments")
    expect(finding).to_contain_text("service.version")
    expect(finding).to_contain_text("1.5.0-rc1")
    expect(finding).to_contain_text("100 %")
    assert clicks < 10


def test_search_to_trace_to_log_to_metric_and_back(open_page):
    """Each signal leads to the next by a click, and the browser's back button returns the same way."""
    page = open_page("/traces")
    box = page.get_by_role("combobox", name="TraceQL")
    box.fill('{ name = "POST /orders" && kind = server }')
    box.press("Enter")
    page.locator("table.traces tbody tr a").first.click()
    trace_id = trace_of(page)
    page.locator("#waterfall .span", has_text="POST /orders").first.click()
    expect(page.locator("#panel h2")).to_have_text("POST /orders")
    exemplar = page.get_by_role("heading", name="Metrics that keep this trace").locator("..").get_by_role("link").first
    has_exemplar = exemplar.count() > 0
    page.get_by_role("link", name="Logs", exact=True).last.click()
    expect(page.locator(".log .line").first).to_be_visible()
    page.locator(".to-trace").first.click()
    assert trace_of(page) == trace_id
    page.go_back()
    expect(page).to_have_url(re.compile("/logs"))
    page.go_back()
    assert trace_of(page) == trace_id
    if not has_exemplar:  # every trace is not an exemplar; the newest of a metric is
        page.goto("/metrics?name=http.server.request.duration")
        page.locator(".plot a[href^='/trace/']").last.click()
        exemplar = (
            page.get_by_role("heading", name="Metrics that keep this trace").locator("..").get_by_role("link").first
        )
    exemplar.click()
    expect(page.locator(".metric-head h2")).to_be_visible()
    page.locator(".plot a[href^='/trace/']").last.click()
    assert trace_of(page)


@pytest.mark.slow
def test_an_attribute_becomes_a_filter(open_page):
    """ "Filter by this" in the span's panel searches for the traces with that value, of its own type."""
    page = open_page('/traces?q={ name = "POST /orders" }')
    page.locator("table.traces tbody tr a").first.click()
    page.locator("#waterfall .span", has_text="POST /orders").first.click()
    page.get_by_role("link", name="Filter by this http.response.status_code").click()
    expect(page.get_by_role("combobox", name="TraceQL")).to_have_value("{ span.http.response.status_code = 202 }")
    expect(page.locator("table.traces tbody tr").first).to_be_visible()


@pytest.mark.slow
def test_two_traces_are_compared_span_by_span(open_page):
    """From a trace to another of the same operation: durations side by side, and what only one has."""
    page = open_page('/traces?q={ name = "process payments.declined" }')
    page.locator("table.traces tbody tr a").first.click()
    page.get_by_role("link", name="Compare", exact=True).click()
    page.locator("#content table tbody tr a").first.click()
    expect(page.locator("table.aligned")).to_contain_text("POST /orders")
    expect(page.locator("td.delta svg").first).to_be_visible()


@pytest.mark.slow
def test_a_groups_row_narrows_the_search(open_page):
    """Traces grouped by an attribute: a click on a value asks for just those."""
    page = open_page("/traces?q={ kind = server }&by=resource.service.name")
    page.locator(".groups").get_by_role("link", name="orders", exact=True).click()
    expect(page.get_by_role("combobox", name="TraceQL")).to_have_value(re.compile('resource.service.name = "orders"'))


@pytest.mark.slow
def test_the_map_leads_to_the_traces_of_a_call(open_page):
    """Services, queues and databases are on the map; a row of its table opens the traces of that call."""
    page = open_page("/map")
    for name in ("gateway", "payments", "orders.created"):
        expect(page.locator("svg.map").get_by_text(name, exact=True).first).to_be_visible()
    assert page.locator("svg.map .node.database").count() >= 4
    page.locator("table tbody tr", has_text="orders.created").first.get_by_role("link").click()
    expect(page.locator("table.traces tbody tr").first).to_be_visible()


@pytest.mark.slow
def test_a_box_over_dots_asks_what_sets_them_apart(open_page):
    """Dragging over the scatter offers the comparison of those traces with the others."""
    page = open_page('/traces?q={ name = "POST /orders" }&range=5m')
    box = page.locator(".plot").bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2, steps=4)
    page.mouse.up()
    page.get_by_role("link", name="What sets these apart?").last.click()
    expect(page).to_have_url(re.compile("/changed.*least="))
    expect(page.locator("#content")).to_be_visible()


@pytest.mark.slow
def test_a_trace_downloads_as_json(open_page):
    """The button saves what the read API gives."""
    page = open_page('/traces?q={ name = "POST /orders" }')
    page.locator("table.traces tbody tr a").first.click()
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON").click()
    assert download.value.suggested_filename == f"trace-{trace_of(page)}.json"
