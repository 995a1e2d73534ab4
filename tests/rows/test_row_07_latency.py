"""Row 7: request latency, from the p95 of a route to the trace of a slow request by one click."""

import re
import signal

import pytest

SERVICE = """
import asyncio
from fastapi import FastAPI
from instrumentation import instrument, span

app = FastAPI()
instrument(app, service_name="latency")

@app.get("/fast/{number}")
async def fast(number: int):
    return number

@app.get("/slow/{number}")
async def slow(number: int):
    with span("wait"):
        await asyncio.sleep(0.3 if number % 10 == 0 else 0.01)
"""
BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
"""Of the semantic conventions, in seconds."""
NAME = "http.server.request.duration"


@pytest.mark.slow
def test_the_p95_of_a_slow_route_leads_to_its_trace(
    serve_program, fetch, shop, console, metric_points, backend, eventually
):
    """p95 by route tells slow from fast, and the slow bucket's exemplar opens the trace of a slow request."""
    process, url = serve_program(SERVICE, OTEL_EXPORTER_OTLP_ENDPOINT=shop.otlp_url, OTEL_METRIC_EXPORT_INTERVAL="300")
    for number in range(20):
        fetch(f"{url}/fast/{number}")
        fetch(f"{url}/slow/{number}")
    eventually(lambda: _counts(metric_points) == {"/fast/{number}": 20, "/slow/{number}": 20})
    assert {tuple(point["buckets"]["bounds"]) for point in metric_points(NAME, service="latency")} == {tuple(BOUNDS)}

    p95 = _p95(console)
    assert 0.25 <= p95["/slow/{number}"] <= 0.5
    assert p95["/fast/{number}"] < 0.1

    where = {"name": NAME, "by": "http.route", "function": "quantile", "where": "service.name=latency"}
    page = console.get("/metrics", params=where).text
    links = re.findall(r'href="(/trace/([0-9a-f]{32})\?span=([0-9a-f]{16}))"', page)
    slow = {one["trace_id"] for one in _exemplars(console) if one["value"] >= 0.3}
    clicked = [link for link in links if link[1] in slow]
    assert clicked, page
    for href, trace_id, span_id in clicked:
        spans = eventually(lambda trace_id=trace_id: len(found := backend.trace(trace_id)) == 2 and found)
        (root,) = [span for span in spans if span.span_id == span_id]
        assert (root.name, root.parent_id) == ("GET /slow/{number}", "")
        opened = console.get(href.replace("&amp;", "&"))
        assert (opened.status_code, "GET /slow/{number}" in opened.text) == (200, True)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)


def _counts(metric_points):
    newest = {}
    for point in metric_points(NAME, service="latency"):
        newest.setdefault(point["attributes"]["http.route"], point["count"])
    return newest


def _p95(console):
    parameters = {"name": NAME, "function": "quantile", "quantile": 0.95, "by": "http.route"}
    found = console.get("/api/metrics/series", params={**parameters, "label.service.name": "latency"}).json()["series"]
    return {dict(series["labels"])["http.route"]: series["points"][-1][1] for series in found}


def _exemplars(console):
    return console.get("/api/metrics/exemplars", params={"name": NAME, "service": "latency"}).json()["exemplars"]
