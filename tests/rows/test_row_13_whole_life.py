"""Row 13: the whole life of a request: an injected fault is found by a search, and the map shows every real edge."""

import asyncio
import json
import secrets
import time

import httpx
import nats
import pytest

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

FAULT = '{status=error && resource.service.name="payments"}'
EDGES = {
    ("load", "gateway"),
    ("gateway", "orders"),
    ("gateway", "inventory"),
    ("orders", "inventory"),
    ("inventory", "payments"),
    ("payments", "orders"),
    ("orders", "notifications"),
}


async def test_a_search_finds_the_injected_fault(stack_shop, stack_reader):
    """A message that payments cannot handle is found by `status=error` and the service, in its sender's trace."""
    trace_id = secrets.token_hex(16)
    connection = await nats.connect(stack_shop.broker_url)
    headers = {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01", "content-type": "application/json"}
    await connection.jetstream().publish("inventory.reserved", b'{"order_id": 7}', headers=headers)
    await connection.close()
    deadline = time.monotonic() + 120
    while trace_id not in stack_reader.search(FAULT):
        assert time.monotonic() < deadline, "the fault is not found"
        await asyncio.sleep(1)
    spans = stack_reader.trace(trace_id)
    assert "payments" in {span.service for span in spans} <= {"payments", "orders"}  # both take such messages
    assert {span.kind for span in spans} >= {"CONSUMER"}
    lines = stack_reader.logs(f'{{service_name="payments"}} | trace_id="{trace_id}"')
    assert any(labels["detected_level"] == "error" for labels, _ in lines), "the fault's log line says why"


def generator_edges(reader):
    """Return the edges of Tempo's service graph."""
    found = reader.metrics('sum by (client, server) (traces_service_graph_request_total{client!="", server!=""})')
    return {(labels["client"], labels["server"]) for labels, _ in found}


def console_edges(stack):
    """Return the edges of the console's map; one that goes through a queue joins who sends with who receives."""
    now = int(time.time())
    answer = httpx.get(f"{stack.url('console')}/api/map", params={"start": now - 900, "end": now + 60}, timeout=20)
    edges = [(tuple(edge["source"]), tuple(edge["target"])) for edge in json.loads(answer.text)["edges"]]
    direct = {(source[1], target[1]) for source, target in edges if source[0] == target[0] == "service"}
    sent = [(source[1], target) for source, target in edges if target[0] == "queue"]
    return direct | {(sender, target[1]) for sender, queue in sent for source, target in edges if source == queue}


def test_the_map_shows_every_edge(stack, stack_load, stack_reader):
    """The service map has all edges of the shop: REST, gRPC and those that go through the broker."""
    deadline = time.monotonic() + 120
    while missing := EDGES - (console_edges(stack) if "tempo" in stack.skipped else generator_edges(stack_reader)):
        assert time.monotonic() < deadline, f"missing: {missing}"
        time.sleep(1)


def test_the_console_s_map_shows_every_edge(stack, stack_load):
    """The console's map has them too."""
    deadline = time.monotonic() + 60
    while missing := EDGES - console_edges(stack):
        assert time.monotonic() < deadline, f"missing: {missing}"
        time.sleep(1)
