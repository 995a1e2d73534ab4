"""Row 5: business and system metrics on `/metrics` and by OTLP, from the same instruments."""

import math
import signal

import httpx
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from instrumentation.encode.prometheus_name import label_name, metric_name

SERVICE = """
import asyncio
import httpx
import prometheus_client
from fastapi import FastAPI, HTTPException
from opentelemetry import metrics
from instrumentation import instrument

app = FastAPI()
instrument(app, service_name="two")
meter = metrics.get_meter("two")
placed = meter.create_counter("orders.placed", unit="{order}")
stock = meter.create_up_down_counter("stock", unit="{piece}")
weight = meter.create_histogram("weight", unit="kg")
load = meter.create_gauge("load", unit="1")
meter.create_observable_counter("seen", callbacks=[lambda options: [metrics.Observation(41, {"by": "eye"})]])
meter.create_observable_gauge("heat", unit="Cel", callbacks=[lambda options: [metrics.Observation(36.6)]])
theirs = prometheus_client.Counter("legacy_jobs", "Of old", ["kind"])
summed = prometheus_client.Histogram("legacy_seconds", "Of old", buckets=(0.1, 1, 10))
children = asyncio.Queue()

@app.get("/orders/{number}")
async def order(number: int):
    placed.add(1, {"kind": "even" if number % 2 == 0 else "odd"})
    stock.add(-number)
    weight.record(number / 3)
    load.set(number / 100)
    theirs.labels("a b" if number % 3 else 'quote "').inc(2)
    summed.observe(number / 10)
    if number % 10 == 0:
        raise HTTPException(404)
    if number % 25 == 1:
        raise RuntimeError
    return number
"""
REQUESTS = 137
OWN = ("http.server", "orders", "stock", "weight", "load", "seen", "heat", "legacy")
"""Metrics that only the requests change; those of process and pipeline go on between page and export."""


def test_both_exits_have_the_same_families_and_equal_counts(serve_program, fetch, otlp_sink, plain):
    """After N requests each series stands on the page and in the export, and what the requests made is equal to ±0."""
    process, url = serve_program(SERVICE, OTEL_METRIC_EXPORT_INTERVAL="500")
    fetch(f"{url}/metrics")
    limits = httpx.Limits(max_keepalive_connections=0)  # uvicorn closes the connection of a request that raised
    with httpx.Client(base_url=url, limits=limits) as client:
        for number in range(REQUESTS):
            client.get(f"/orders/{number}")
    seen = len(otlp_sink.requests)
    otlp_sink.wait_for(lambda: any(path == "/v1/metrics" for path, _ in otlp_sink.requests[seen:]))
    page, _ = fetch(f"{url}/metrics", accept="application/openmetrics-text")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    scraped = _scraped(page)
    exported = _exported(otlp_sink.resources("metrics", newest=1), plain)
    assert scraped.keys() == exported.keys()
    own = [name for name in scraped if name.startswith(tuple(label_name(name) for name in OWN))]
    assert len(own) > 12
    assert {name: scraped[name] for name in own} == {name: exported[name] for name in own}
    requests = scraped["http_server_request_duration_seconds_count"]
    by_status = {dict(labels)["http_response_status_code"]: count for labels, count in requests.items()}
    assert by_status == {"200": 117, "404": 14, "500": 6}
    assert sum(scraped["orders_placed_total"].values()) == sum(by_status.values()) == REQUESTS


def _scraped(page):
    """Return the page as Prometheus' own parser reads it: sample name -> labels -> value."""
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if family.name != "target" and not sample.name.endswith("_created"):
                labels = {**sample.labels, **({"le": float(sample.labels["le"])} if "le" in sample.labels else {})}
                found.setdefault(sample.name, {})[frozenset(labels.items())] = sample.value
    return found


def _exported(triples, plain):
    """Return the points in the same form, translated as Prometheus translates what it receives by OTLP."""
    found = {}
    for _, _, metric in triples:
        kind = metric.WhichOneof("data")
        data = getattr(metric, kind)
        if kind == "sum":
            kind = "counter" if data.is_monotonic else "up_down_counter"
        name = metric_name(metric.name, kind, metric.unit)
        for point in data.data_points:
            labels = {label_name(key): _text(value) for key, value in plain(point.attributes).items()}
            if kind == "histogram":
                cumulative = 0
                for bound, count in zip([*point.explicit_bounds, math.inf], point.bucket_counts, strict=True):
                    cumulative += count
                    found.setdefault(f"{name}_bucket", {})[frozenset({**labels, "le": bound}.items())] = cumulative
                found.setdefault(f"{name}_count", {})[frozenset(labels.items())] = point.count
                found.setdefault(f"{name}_sum", {})[frozenset(labels.items())] = point.sum
            else:
                value = getattr(point, point.WhichOneof("value"))
                found.setdefault(name, {})[frozenset(labels.items())] = value
    return found


def _text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)
