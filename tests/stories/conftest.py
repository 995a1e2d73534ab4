"""The whole shop with its console, and a client that reads what the console knows."""

import base64
import time
from typing import NamedTuple

import httpx
import pytest
from shop.runner import Plan, Shop


class StoredSpan(NamedTuple):
    """A span as the read API tells it."""

    service: str
    name: str
    kind: str
    span_id: str
    parent_id: str
    links: list[str]
    attributes: dict[str, object]


class Backend:
    """Reads traces and logs over the HTTP shapes of Tempo and Loki, so that it reads any backend that has them.

    Args:
        tempo_url: Where `/api/traces` and `/api/search` are.
        loki_url: Where `/loki/api/v1` is.
    """

    def __init__(self, tempo_url, loki_url):
        self._tempo = httpx.Client(base_url=tempo_url, timeout=10)
        self._loki = httpx.Client(base_url=loki_url, timeout=10)

    def close(self):
        """Let go of the connections."""
        self._tempo.close()
        self._loki.close()

    def trace(self, trace_id):
        """Return the spans of a trace; none if there is no such trace."""
        response = self._tempo.get(f"/api/traces/{trace_id}")
        if response.status_code == 404:
            return []
        response.raise_for_status()
        return [
            span_of(batch["resource"], span)
            for batch in response.json()["batches"]
            for scope in batch["scopeSpans"]
            for span in scope["spans"]
        ]

    def search(self, query):
        """Return the trace ids that a TraceQL query finds."""
        response = self._tempo.get("/api/search", params={"q": query, "limit": 100})
        response.raise_for_status()
        return [found["traceID"].rjust(32, "0") for found in response.json()["traces"]]

    def logs(self, query):
        """Return (labels, line) pairs that a LogQL query finds in the last hour."""
        response = self._loki.get("/loki/api/v1/query_range", params={"query": query, "limit": 1000})
        response.raise_for_status()
        streams = response.json()["data"]["result"]
        return [(stream["stream"], line) for stream in streams for _, line in stream["values"]]


def span_of(resource, span):
    """Return a span of the Tempo shape."""

    def hex_of(value):
        return base64.b64decode(value).hex()

    return StoredSpan(
        attributes_of(resource)["service.name"],
        span["name"],
        span["kind"].removeprefix("SPAN_KIND_"),
        hex_of(span["spanId"]),
        hex_of(span.get("parentSpanId", "")),
        [hex_of(link["traceId"]) for link in span.get("links", [])],
        attributes_of(span),
    )


def attributes_of(holder):
    """Return the attributes of a resource or span as a dict."""
    return {item["key"]: next(iter(item["value"].values())) for item in holder.get("attributes", [])}


@pytest.fixture(scope="session")
def shop(request):
    """The shop, inventory and payments twice, on the backends that `--backends` chooses."""
    on_stack = request.config.getoption("--backends") == "stack"
    return request.getfixturevalue("stack_shop" if on_stack else "console_shop")


@pytest.fixture(scope="session")
def console_shop(tmp_path_factory):
    """The shop with its console; only customers named `declined...` are declined."""
    environment = {"payments": {"DECLINE_SHARE": "0"}, "inventory": {"STOCK_PIECES": "1000000"}}
    plan = Plan(
        tmp_path_factory.mktemp("shop"),
        replicas=2,
        environment={"OTEL_METRIC_EXPORT_INTERVAL": "1000"},
        service_environment=environment,
    )
    with Shop(plan) as running:
        yield running


@pytest.fixture(scope="session")
def backend(shop, request):
    """The console, read as Tempo and Loki; or Tempo and Loki themselves."""
    urls = (shop.console_url, shop.console_url)
    if request.config.getoption("--backends") == "stack":
        stack = request.getfixturevalue("stack")
        urls = (stack.traces_url, stack.url("loki"))
    reader = Backend(*urls)
    yield reader
    reader.close()


@pytest.fixture
def gateway(shop):
    """A client of the gateway."""
    with httpx.Client(base_url=shop.gateway_url, timeout=20) as client:
        yield client


@pytest.fixture
def eventually():
    """Return the first truthy value of a function within some seconds."""

    def wait(read, seconds=10):
        deadline = time.monotonic() + seconds
        while not (value := read()):
            assert time.monotonic() < deadline, f"not within {seconds} s"
            time.sleep(0.05)
        return value

    return wait


@pytest.fixture
def settled(gateway, eventually):
    """Wait for the end of an order and return it."""

    def wait(order_id):
        return eventually(lambda: (order := gateway.get(f"/orders/{order_id}").json())["status"] != "pending" and order)

    return wait
