"""A real Chromium on the console of a real shop in which one version of a service fails."""

import re
import sys
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import sync_playwright
from shop.child import stop_all

sys.path.insert(0, str(Path(__file__).parent))  # the helpers beside this file, in every import mode

from chromium import ARGUMENTS, NoChromiumError, find_chromium
from faulty_shop import faulty_shop

ORDERS = 20
EXPECTED = re.compile("status of 400|ERR_NETWORK_CHANGED")
"""What Chromium calls an error: a wrong query's answer, and that a container somewhere on this machine came or went."""
STAYING = ("console", "gateway")
"""What goes on after the run is recorded: the rest would only take time from the browser."""


@pytest.hookimpl(tryfirst=True)  # before the groups of shops
def pytest_collection_modifyitems(items):
    """Keep all of this directory on one worker: shop and browser are started once."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    """The shop with its fault; all its orders are settled and their telemetry has come."""
    with faulty_shop(tmp_path_factory.mktemp("browser"), ORDERS) as running:
        _until(lambda: _settled(running.console_url) >= ORDERS)
        stop_all([child for child in running.children if child.name not in STAYING], 5.0)
        yield running


def _settled(console_url):
    asked = {"name": "shop.orders.settled", "limit": 100}
    newest = {}
    for point in httpx.get(f"{console_url}/api/metrics/points", params=asked).json()["points"]:
        newest.setdefault(str(point["attributes"]), point["value"])
    return sum(newest.values())


def _until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)


@pytest.fixture
def until():
    """Return a function that waits for a condition, by asking again."""
    return _until


@pytest.fixture
def visit(shop):
    """Return a function that asks the gateway for a page it does not have, and returns the path once it is logged."""

    def ask():
        path = f"/{uuid.uuid4().hex}"
        assert httpx.get(shop.gateway_url + path, timeout=20).status_code == 404
        asked = {"query": f'{{service_name="gateway"}} | url_path = "{path}"'}
        lines = f"{shop.console_url}/loki/api/v1/query_range"
        _until(lambda: httpx.get(lines, params=asked).json()["data"]["result"])
        return path

    return ask


@pytest.fixture(scope="session")
def a_trace(shop):
    """The id of a trace of a cancelled order."""
    query = {"q": '{ name = "process payments.declined" }', "limit": 1}
    return httpx.get(f"{shop.console_url}/api/search", params=query).json()["traces"][0]["traceID"]


@pytest.fixture(scope="module")
def chromium():
    """A running Chromium. While it runs this thread has a running event loop: so no longer than a module's tests."""
    try:
        path = find_chromium()
    except NoChromiumError as error:
        pytest.fail(str(error))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, request):
    """Open pages of the shop's console, or of base_url; no script failed, nothing was asked of another machine."""
    contexts, wrong = [], []

    def watch(page):
        page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
        page.on(
            "console", lambda said: said.type == "error" and not EXPECTED.search(said.text) and wrong.append(said.text)
        )
        page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        page.on("request", lambda one: urlsplit(one.url).hostname == "127.0.0.1" or wrong.append(f"asked {one.url}"))

    def open_one(path="/", *, width=1280, theme="light", live=False, clock=False, **options):
        size = {"width": width, "height": 900}
        base_url = options.pop("base_url", None) or request.getfixturevalue("shop").console_url
        options = {"base_url": base_url, "viewport": size, "color_scheme": theme, "locale": "en-GB", **options}
        context = chromium.new_context(**options)
        context.set_default_timeout(30_000)
        contexts.append(context)
        if not live:  # what asks again and again takes time from what is looked at
            context.add_init_script("localStorage.setItem('clew_live', 'false')")
        if "timezone_id" not in options:
            context.add_cookies([{"name": "clew_zone", "value": "UTC", "url": base_url}])
        page = context.new_page()
        watch(page)
        if clock:
            page.clock.install()
        page.goto(path)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert wrong == []
