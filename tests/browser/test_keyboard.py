"""Everything by keys."""

import re

import pytest
from playwright.sync_api import expect


@pytest.mark.slow
def test_keys_lead_through_search_and_trace(open_page):
    """/ to the query, Esc out of it, j and k along the rows, Enter into the trace, ? for help, g l to the logs."""
    page = open_page('/traces?q={ name = "POST /orders" }')
    page.keyboard.press("/")
    expect(page.get_by_role("combobox", name="TraceQL")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.get_by_role("combobox", name="TraceQL")).not_to_be_focused()
    for key in "jjk":
        page.keyboard.press(key)
    expect(page.locator("[data-row].current")).to_have_count(1)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/trace/"))
    page.keyboard.press("j")
    expect(page.locator(".span.selected.current")).to_have_count(1)
    count = page.locator("#waterfall .span:visible").count()
    page.keyboard.press("k")
    page.keyboard.press("k")
    page.keyboard.press("ArrowLeft")
    assert page.locator("#waterfall .span:visible").count() < count
    page.keyboard.press("ArrowRight")
    assert page.locator("#waterfall .span:visible").count() == count
    page.keyboard.press("z")
    expect(page.locator("#zoom-out")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).not_to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("l")
    expect(page).to_have_url(re.compile("/logs"))


@pytest.mark.slow
def test_the_query_completes_itself(open_page):
    """Names and values are offered as data has them; Tab takes one, Enter then searches."""
    page = open_page("/traces")
    box = page.get_by_role("combobox", name="TraceQL")
    box.focus()
    page.keyboard.type("{ span.http.rou")
    page.get_by_role("option", name="span.http.route").wait_for()
    page.keyboard.press("Tab")
    page.get_by_role("option", name='"/orders"', exact=True).click()
    page.get_by_role("option", name="}", exact=True).click()
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.locator("table.traces tbody tr").first).to_be_visible()
    expect(page.get_by_role("combobox", name="TraceQL")).to_have_value(
        re.compile(r'\{ span\.http\.route = "/orders" *\}')
    )


@pytest.mark.slow
def test_a_wrong_query_says_what_is_right(open_page):
    """The error names the place and what is supported."""
    page = open_page("/logs")
    page.get_by_role("combobox", name="LogQL").fill('{service_name="x"} | json')
    with page.expect_response(lambda answer: answer.status == 400):
        page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Supported")
