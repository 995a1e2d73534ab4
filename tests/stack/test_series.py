"""What Prometheus holds of the services: by OTLP, once."""

import time
from collections import Counter

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SCRAPED = {"gateway", "orders", "notifications"}
SERVICES = SCRAPED | {"inventory", "payments"}


@pytest.fixture(scope="module")
def busy(calm_shop, stack_reader):
    """The shop, after some requests that Prometheus has heard of, and after its pages were scraped."""
    import httpx

    with httpx.Client(base_url=calm_shop.gateway_url, timeout=20) as gateway:
        for _ in range(10):
            assert gateway.get("/products").status_code == 200
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        up = stack_reader.metrics('up{job="metrics-pages"} == 1')
        if {labels["service"] for labels, _ in up} == SCRAPED:
            return calm_shop
        time.sleep(1)
    pytest.fail(f"scraped: {up}")
    return None


def test_each_series_is_there_once(busy, stack_reader):
    """No two series of a service differ in `job` and `instance` alone: none came both by OTLP and by scraping."""
    series = stack_reader.series('{service_name!=""}')
    assert len(series) > 500
    alike = Counter(
        tuple(sorted((key, value) for key, value in labels.items() if key not in {"job", "instance"}))
        for labels in series
    )
    assert [labels for labels, count in alike.items() if count > 1] == []


def test_each_service_tells_of_its_process_and_its_loop(busy, stack_reader):
    """All five do, whether they serve HTTP, gRPC or messages alone."""
    for name in ("process_memory_usage_bytes", "asyncio_eventloop_delay_max_seconds", "asyncio_task_count"):
        assert {labels["service_name"] for labels in stack_reader.series(name)} >= SERVICES, name


def test_the_pages_are_proven_and_not_stored(busy, stack_reader):
    """The services' own pages parse and have samples, of which none is stored."""
    names = {labels["__name__"] for labels in stack_reader.series('{job="metrics-pages"}')}
    assert {name for name in names if name != "up" and not name.startswith("scrape_")} == set()
    scraped = stack_reader.metrics('scrape_samples_scraped{job="metrics-pages"}')
    assert {labels["service"] for labels, samples in scraped if samples > 50} == SCRAPED


def test_infrastructure_is_scraped(busy, stack, stack_reader):
    """Prometheus sees itself, the Collector, Loki and, where it runs, Tempo."""
    expected = {"prometheus", "collector", "loki", "tempo"} - set(stack.skipped)
    deadline = time.monotonic() + 60
    while (found := {labels["job"] for labels, _ in stack_reader.metrics('up{component!=""} == 1')}) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(1)


def test_both_exits_say_the_same(busy, stack_reader):
    """A count on the gateway's own page is the count that came to Prometheus by OTLP."""
    import httpx

    name = "http_server_request_duration_seconds_count"
    deadline = time.monotonic() + 60
    while True:
        page = httpx.get(f"{busy.gateway_url}/metrics", headers={"accept": "application/openmetrics-text"}).text
        on_page = {
            tuple(sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            if sample.name == name
        }
        names = {key for labels in on_page for key, _ in labels}
        pushed = {
            tuple(sorted((key, value) for key, value in labels.items() if key in names)): count
            for labels, count in stack_reader.metrics(f'{name}{{service_name="gateway"}}')
        }
        if on_page == pushed:
            return
        assert time.monotonic() < deadline, sorted(on_page.items() ^ pushed.items())
        time.sleep(1)
