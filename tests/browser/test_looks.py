"""Both themes, narrow screens, and what assistive technology needs, on every page."""

from pathlib import Path

import pytest

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
PAGES = {
    "overview": "/",
    "traces": '/traces?q={ name = "POST /orders" }&by=resource.service.name',
    "logs": '/logs?query={service_name="payments"}',
    "metrics": "/metrics",
    "metric": "/metrics?name=http.server.request.duration",
    "map": "/map",
    "changed": '/changed?q={ name = "process payments.declined" }',
    "trace": "trace",
    "compare": "compare",
}


def address(name, trace_id):
    return {"trace": f"/trace/{trace_id}", "compare": f"/compare?a={trace_id}"}.get(name, PAGES[name])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_serious_finding(open_page, a_trace, theme):
    """axe-core finds nothing serious against WCAG 2.1 A and AA on any page; in the dark it checks the colours again."""
    rules = RULES if theme == "light" else {"type": "rule", "values": ["color-contrast"]}
    page, found = open_page("/", theme=theme), []
    for name in PAGES:
        page.goto(address(name, a_trace))
        page.evaluate(AXE)
        result = page.evaluate("rules => axe.run({runOnly: rules, resultTypes: ['violations']})", rules)
        found += [
            (name, one["id"], one["nodes"][0]["html"][:160], one["nodes"][0]["failureSummary"][:300])
            for one in result["violations"]
            if one["impact"] in {"serious", "critical"}
        ]
    assert not found, "\n".join(map(str, found))


def test_nothing_is_cut_off_at_400_pixels(open_page, a_trace):
    """No page scrolls sideways on a narrow screen; the span's panel is a sheet that closes."""
    page = open_page("/", width=400)
    for name in PAGES:
        page.goto(address(name, a_trace))
        assert page.evaluate("document.documentElement.scrollWidth") <= 400, name
    page.goto(f"/trace/{a_trace}")
    page.locator("#waterfall .span").nth(3).click()
    page.locator("#panel .close").click()
    assert not page.locator("#panel").is_visible()


def test_the_theme_is_remembered(open_page):
    """The button changes it, and the next page comes in it at once."""
    page = open_page("/")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Switch between light and dark").click()
    page.goto("/logs")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != ground


def test_times_are_told_in_the_readers_zone(open_page, a_trace):
    """A browser in Tokyo reads Tokyo's time, or UTC where it asks for it."""
    page = open_page(f"/trace/{a_trace}", timezone_id="Asia/Tokyo")
    page.locator(".facts time", has_text="+09:00").wait_for()


def test_refreshing_shifts_nothing(open_page):
    """While a live page is refreshed, what is read stays where it is."""
    page = open_page("/")
    page.evaluate(
        "() => { window.shifts = 0; new PerformanceObserver(list => list.getEntries().forEach(one => {"
        "window.shifts += one.value; })).observe({type: 'layout-shift', buffered: true}); }"
    )
    page.wait_for_timeout(2600)
    assert page.evaluate("window.shifts") < 0.1


def test_all_scripts_and_styles_together_are_small(shop):
    """JavaScript and CSS are at most 200 KiB compressed."""
    import gzip

    import clew_console.web

    static = Path(clew_console.web.__file__).parent / "static"
    files = [*static.glob("*.js"), *static.glob("*.css")]
    assert sum(len(gzip.compress(file.read_bytes())) for file in files) <= 200 * 1024
