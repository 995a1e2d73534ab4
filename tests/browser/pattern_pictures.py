"""Take the pictures of docs/patterns.md, traces from a run of the shop: `python pattern_pictures.py docs/images`."""

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent))

from chromium import ARGUMENTS, find_chromium
from shop.runner import Plan, Shop
from shop.scenarios.stage import Stage
from shop.scenarios.table import SCENARIOS

SETTLE_SECONDS = 3
"""How long a trace may still grow after it is found."""
FIND_SECONDS = 150
"""A message is put aside after 70 s of deliveries."""
SIZE = {"width": 1280, "height": 720}


@dataclass(frozen=True)
class Picture:
    """One trace to find and to take.

    Attributes:
        name: The file is `pattern-NAME.png`.
        query: TraceQL that finds it by a span, which is shown beside it.
        scenario: The fault during which it comes about.
    """

    name: str
    query: str
    scenario: str


PICTURES = (
    Picture("saga", '{ span.clew.saga.outcome = "compensated" }', "payments-declined"),
    Picture("dead-letter", "{ span.clew.dead_letter = true }", "payments-failing"),
    Picture("breaker", '{ span.clew.breaker.fallback = "catalogue" }', "inventory-down"),
    Picture("retry", "{ span.clew.rpc.resend_count = 1 && status != error }", "bad-canary"),
    Picture("canary", '{ resource.deployment.role = "canary" && status = error }', "bad-canary"),
)


def main(directory):
    """Run the shop, cause each fault in turn, and take a trace of it."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data:
        plan = Plan(
            Path(data),
            replicas=2,
            load_rate=4,
            canaries={"inventory": "0.2.0"},
            admin_token="the-token-of-the-pictures",
            service_environment={"inventory": {"STOCK_PIECES": "100000"}},
        )
        with Shop(plan) as shop, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
            stage = Stage(shop)
            for picture in PICTURES:
                with SCENARIOS[picture.scenario].fault(stage):
                    address = found(shop.console_url, picture.query)
                time.sleep(SETTLE_SECONDS)
                take(browser, address, directory / f"pattern-{picture.name}.png")
                print(f"{picture.name}: {address}", flush=True)
            browser.close()


def found(console_url, query):
    """Return the page of the newest trace that a query finds, with the span, waiting for one.

    Raises:
        TimeoutError: None came.
    """
    deadline = time.monotonic() + FIND_SECONDS
    while time.monotonic() < deadline:
        answer = httpx.get(f"{console_url}/api/search", params={"q": query, "limit": 1}).raise_for_status()
        for trace in answer.json()["traces"]:
            span_id = trace["spanSets"][0]["spans"][0]["spanID"]
            return f"{console_url}/trace/{trace['traceID']}?span={span_id}"
        time.sleep(0.5)
    raise TimeoutError(f"no trace in {FIND_SECONDS} s: {query}")


def take(browser, address, path):
    """Take a page."""
    context = browser.new_context(viewport=SIZE, color_scheme="light", timezone_id="UTC")
    page = context.new_page()
    page.goto(address)
    page.wait_for_timeout(400)
    page.screenshot(path=path)
    context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
