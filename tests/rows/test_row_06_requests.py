"""Row 6: total HTTP requests, by method, route template and status, whatever strangers ask for."""

import http.client
import re
import secrets
import signal
from collections import Counter

SERVICE = """
from fastapi import APIRouter, FastAPI
from instrumentation import instrument

app = FastAPI()
instrument(app, service_name="counted")
router = APIRouter(prefix="/shops/{shop}")

@router.get("/orders/{order_id}")
async def order(shop: str, order_id: str):
    return order_id

app.include_router(router)
"""
UNCOMMON = ("MKCOL", "PROPFIND", "REPORT", "SEARCH", "LOCK")
"""Those that uvicorn's parser lets through; it refuses made-up ones itself."""
ROUTE = "/shops/{shop}/orders/{order_id}"


def test_a_thousand_ids_are_one_route(serve_program, fetch, otlp_sink, plain):
    """1000 ids count under one route, 500 unmatched paths under one series, uncommon methods under one."""
    process, url = serve_program(SERVICE)
    fetch(f"{url}/metrics")
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    for number in range(1000):
        assert _ask(connection, "GET", f"/shops/{number % 7}/orders/{secrets.token_hex(8)}?q={number}") == 200
    for number in range(500):
        assert _ask(connection, "GET", f"/{secrets.token_hex(8)}/{number}") == 404
    for method in UNCOMMON:
        assert _ask(connection, method, "/shops/1/orders/1") == 405
    connection.close()
    page, _ = fetch(f"{url}/metrics")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    found = re.findall(r"^http_server_request_duration_seconds_count\{(.*)\} (\d+)$", page, re.MULTILINE)
    counts = {_key(dict(re.findall(r'(\w+)="([^"]*)"', labels))): int(count) for labels, count in found}
    assert counts == {("GET", ROUTE, "200"): 1000, ("GET", None, "404"): 500, ("_OTHER", ROUTE, "405"): len(UNCOMMON)}
    *_, metric = [metric for metric in otlp_sink.records("metrics") if metric.name == "http.server.request.duration"]
    pushed = {
        _key({key.replace(".", "_"): str(value) for key, value in plain(point.attributes).items()}): point.count
        for point in metric.histogram.data_points
    }
    assert pushed == counts
    names = Counter(span.name for span in otlp_sink.records("traces"))
    assert names == {f"GET {ROUTE}": 1000, "GET": 500, f"HTTP {ROUTE}": len(UNCOMMON)}


def _ask(connection, method, path):
    connection.request(method, path)
    response = connection.getresponse()
    response.read()
    return response.status


def _key(labels):
    return labels["http_request_method"], labels.get("http_route"), labels["http_response_status_code"]
