"""Live pages: new data comes by itself, and what was open stays open."""

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


def test_a_line_is_shown_among_its_neighbours(open_page):
    """ "Lines around it" keeps the line in sight, marked, with those before and after it of the same process."""
    page = open_page("/logs?range=15m")
    line = page.locator(".main-log .line").nth(40)
    line.locator("summary").click(position={"x": 5, "y": 5})
    body = line.locator(".body").inner_text()
    line.get_by_role("link", name="Lines around it").click()
    expect(page.locator(".line.target .body").first).to_have_text(body)
    assert page.locator(".main-log .line").count() > 3
