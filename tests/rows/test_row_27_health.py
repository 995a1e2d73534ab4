"""Row 27: health, with probes in neither traces nor request metrics. Of services that are away: row 30."""

import sqlite3
from contextlib import closing

import httpx
import pytest


def test_a_database_that_does_not_answer_takes_the_gateway_out_of_traffic(gateway, shop, eventually):
    """While the database cannot be written to, ready is 503 and live 200; afterwards ready is 200 again."""
    with closing(sqlite3.connect(shop.databases["gateway"], timeout=10, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        ready = gateway.get("/health/ready")
        assert (ready.status_code, ready.json()["checks"]["database"]) == (503, False)
        assert gateway.get("/health/live").status_code == 200
        connection.execute("ROLLBACK")
    assert eventually(lambda: gateway.get("/health/ready").status_code == 200)


@pytest.mark.slow
def test_a_thousand_probes_leave_no_span_and_no_request_metric(
    gateway, backend, shop, place_order, eventually, new_trace
):
    """1000 probes add no span and no request to the HTTP metrics."""

    def gateway_spans():
        return backend.search('{resource.service.name="gateway" && name=~".*[Hh]ealth.*"}')

    for number in range(1000):
        assert gateway.get(("/health", "/health/live", "/health/ready")[number % 3]).status_code == 200
    trace_id, header = new_trace
    place_order(**header)
    page = httpx.get(f"{shop.gateway_url}/metrics", timeout=10).text
    assert 'http_route="/orders"' in page
    assert [line for line in page.splitlines() if "/health" in line] == []
    eventually(lambda: backend.trace(trace_id))  # what was sent before has arrived too
    assert gateway_spans() == []
