"""Take the pictures of docs/images from a run of the shop with a fault: `python screenshots.py docs/images`."""

import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

import httpx
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent))

from chromium import ARGUMENTS, find_chromium
from faulty_shop import faulty_shop

SECONDS = 90
"""Of load, so that the charts have a course."""
DECLINED = '{ name = "process payments.declined" }'
SIZE = {"width": 1280, "height": 800}


def pages(console_url, started, ended):
    """Return name and address of each picture."""
    when = {"from": int(started * 1000), "to": int(ended * 1000)}
    found = httpx.get(f"{console_url}/api/search", params={"q": DECLINED, "limit": 5}).json()["traces"]

    def address(path, **parameters):
        return f"{path}?{urlencode({**parameters, **when})}"

    return {
        "overview": address("/"),
        "traces": address("/traces", q='{ name = "POST /orders" }', by="resource.service.name"),
        "trace": f"/trace/{found[-1]['traceID']}",
        "logs": address("/logs", query='{service_name=~".+"} |= "order"'),
        "metrics": address("/metrics", name="http.server.request.duration"),
        "map": address("/map"),
        "changed": address("/changed", q=DECLINED),
    }


def main(directory):
    """Run the shop for a while, then take every page in both themes."""
    directory.mkdir(parents=True, exist_ok=True)
    started = time.time()
    with tempfile.TemporaryDirectory() as data, faulty_shop(Path(data), 10, load_rate=4) as shop:
        time.sleep(SECONDS)
        addresses = pages(shop.console_url, started + 10, time.time())
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
            for theme in ("light", "dark"):
                take(browser, shop.console_url, addresses, directory, theme)
            browser.close()


def take(browser, console_url, addresses, directory, theme):
    """Take each page in one theme."""
    context = browser.new_context(base_url=console_url, viewport=SIZE, color_scheme=theme, timezone_id="UTC")
    page = context.new_page()
    for name, address in addresses.items():
        page.goto(address)
        page.wait_for_timeout(400)  # the zone's cookie is set and the page morphed
        page.screenshot(path=directory / f"console-{name}-{theme}.png")
    context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
