"""Both themes, narrow screens, and what assistive technology needs, on every page."""

import hashlib
import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
PAGES = {
    "overview": "/",
    "traces": '/traces?q={ name = "POST /orders" }&by=resource.service.name',
    "logs": '/logs?query={service_name="payments"} |= "declined"',
    "metrics": "/metrics",
    "metric": "/metrics?name=http.server.request.duration",
    "map": "/map",
    "changed": '/changed?q={ name = "process payments.declined" }',
    "trace": "trace",
    "compare": "compare",
    "runs": "/runs",
    "runs compared": "/runs/compare?a=unnamed&b=unnamed",
}


def address(name, trace_id):
    return {"trace": f"/trace/{trace_id}", "compare": f"/compare?a={trace_id}"}.get(name, PAGES[name])


@pytest.fixture(scope="module")
def findings(chromium, shop, a_trace):
    """Each page loaded once: what axe-core finds in the light, what of the colours in the dark, its width at 400 px."""
    context = chromium.new_context(base_url=shop.console_url, viewport={"width": 1280, "height": 900})
    context.add_init_script("localStorage.setItem('clew_live', 'false')")
    context.add_cookies([{"name": "clew_zone", "value": "UTC", "url": shop.console_url}])
    page = context.new_page()
    yield {name: _looked_at(page, address(name, a_trace)) for name in PAGES}
    context.close()


def _looked_at(page, where):
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(where)
    page.evaluate(AXE)
    light = _serious(page, RULES)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    dark = _serious(page, {"type": "rule", "values": ["color-contrast"]})
    page.set_viewport_size({"width": 400, "height": 900})
    return {"light": light, "dark": dark, "width": page.evaluate("document.documentElement.scrollWidth")}


def _serious(page, rules):
    found = page.evaluate("rules => axe.run({runOnly: rules, resultTypes: ['violations']})", rules)["violations"]
    return [
        (one["id"], one["nodes"][0]["html"][:160], one["nodes"][0]["failureSummary"][:300])
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_no_serious_finding(findings, name, theme):
    """axe-core finds nothing serious against WCAG 2.1 A and AA on any page; in the dark it checks the colours again."""
    assert findings[name][theme] == []


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_off_at_400_pixels(findings, name):
    """No page scrolls sideways on a narrow screen."""
    assert findings[name]["width"] <= 400


@pytest.mark.slow
def test_the_panel_is_a_sheet_on_a_narrow_screen(open_page, a_trace):
    """At 400 px the span's panel covers the waterfall when a span is chosen, and closes."""
    page = open_page(f"/trace/{a_trace}", width=400)
    page.locator("#waterfall .span").nth(3).click()
    page.locator("#panel .close").click()
    assert not page.locator("#panel").is_visible()


@pytest.mark.slow
def test_the_theme_is_remembered(open_page):
    """The button changes it, and the next page comes in it at once."""
    page = open_page("/")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Switch between light and dark").click()
    page.goto("/logs")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != ground


@pytest.mark.slow
def test_times_are_told_in_the_readers_zone(open_page, a_trace):
    """A browser in Tokyo reads Tokyo's time, or UTC where it asks for it."""
    page = open_page(f"/trace/{a_trace}", timezone_id="Asia/Tokyo")
    page.locator(".facts time", has_text="+09:00").wait_for()


@pytest.mark.slow
def test_the_chosen_time_is_in_the_readers_zone_at_the_first_visit(open_page):
    """Before the console knows the zone it writes UTC; what is shown then is set right, also where it can be edited."""
    page = open_page("/traces?from=1767225600000&to=1767229205000", timezone_id="Asia/Tokyo")
    page.locator(".when summary", has_text="01 Jan 09:00:00").click()
    expect(page.get_by_label("From")).to_have_value(re.compile("2026-01-01T09:00"))
    expect(page.get_by_label("To")).to_have_value("2026-01-01T10:00:05")


@pytest.mark.slow
def test_the_longest_bar_has_its_duration_inside(open_page, shop, until):
    """Where a bar fills the row there is no room beside it, and the text may not be cut off."""
    trace_id = "7c" * 16
    span = {"traceId": trace_id, "spanId": "7c" * 8, "name": "alone", "kind": 2}
    span |= {"startTimeUnixNano": "1767225600000000000", "endTimeUnixNano": "1767225601000000000"}
    message = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    httpx.post(f"{shop.otlp_url}/v1/traces", json=message).raise_for_status()
    until(lambda: httpx.get(f"{shop.console_url}/api/traces/{trace_id}").status_code == 200)
    page = open_page(f"/trace/{trace_id}")
    text, track = (page.locator(f"#waterfall {one}").first.bounding_box() for one in (".took", ".track"))
    assert track["x"] <= text["x"]
    assert text["x"] + text["width"] <= track["x"] + track["width"]


@pytest.mark.slow
def test_refreshing_shifts_nothing(open_page):
    """While a live page is refreshed, what is read stays where it is."""
    page = open_page("/", live=True, clock=True)
    page.evaluate(
        "() => { window.shifts = 0; new PerformanceObserver(list => list.getEntries().forEach(one => {"
        "window.shifts += one.value; })).observe({type: 'layout-shift', buffered: true});"
        "window.refreshes = 0; document.addEventListener('clew:refreshed', () => { window.refreshes += 1; }); }"
    )
    for milliseconds in (2_500, 60_000):  # a jump counts as the time the answer took, after which the page rests
        before = page.evaluate("window.refreshes")
        page.clock.fast_forward(milliseconds)
        page.wait_for_function("before => window.refreshes > before", arg=before)
    page.locator("#live[aria-pressed=true]").wait_for()
    assert page.evaluate("window.shifts") < 0.1


def test_all_scripts_and_styles_together_are_small(shop):
    """JavaScript and CSS are at most 200 KiB compressed."""
    import gzip

    import clew_console.web

    static = Path(clew_console.web.__file__).parent / "static"
    files = [*static.glob("*.js"), *static.glob("*.css")]
    assert sum(len(gzip.compress(file.read_bytes())) for file in files) <= 200 * 1024


def test_vendored_files_are_as_their_makers_have_them():
    """What refresh.sh brought is unmodified, and its licence lies beside it; the pages themselves vendor nothing."""
    vendor = Path(__file__).parent / "vendor"
    sums = dict(reversed(line.split()) for line in (vendor / "SHA256SUMS").read_text().splitlines())
    assert {name: hashlib.sha256((vendor / name).read_bytes()).hexdigest() for name in sums} == sums
    assert {path.name for path in vendor.iterdir()} == {*sums, "SHA256SUMS", "refresh.sh"}
    assert any("LICENSE" in name for name in sums)
