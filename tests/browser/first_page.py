"""Measure how long the first page takes until its scripts run: `python first_page.py http://127.0.0.1:8700/`."""

import statistics
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent))

from chromium import ARGUMENTS, find_chromium

LOADS = 15


def main(url):
    """Load the page in new contexts, so that nothing is cached; print the milliseconds until it can be used."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        times = sorted(_load(browser, url) for _ in range(LOADS + 1))[:-1]  # the slowest warms browser and console
        browser.close()
    sys.stdout.write(
        f"interactive after {statistics.median(times):.0f} ms (median), {times[-1]:.0f} ms (slowest of {LOADS})\n"
    )


def _load(browser, url):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(url)
    # Module scripts have run when this event has been handled; then every control works.
    taken = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    context.close()
    return taken


if __name__ == "__main__":
    main(sys.argv[1])
