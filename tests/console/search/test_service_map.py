"""The map shows who calls whom."""

import os
import time

from clew_console.store import edges as edges_module


def test_calls_queues_and_databases_are_edges(start, client_of, make, monkeypatch):
    """A client span with its server span is one edge, a producer and a consumer two by way of their queue."""
    monkeypatch.setattr(edges_module, "MAX_WAIT_SECONDS", 0.5)
    trace_id = os.urandom(16)
    call = make.span(trace_id, name="GET", kind=3, attributes={"server.address": "orders"}, status={"code": 2})
    served = make.span(trace_id, call.span_id, name="GET /", kind=2, status={"code": 2})
    query = make.span(trace_id, served.span_id, name="SELECT", kind=3, attributes={"db.system.name": "postgresql"})
    sent = make.span(trace_id, name="send", kind=4, attributes={"messaging.destination.name": "events"})
    taken = make.span(trace_id, sent.span_id, name="take", kind=5, attributes={"messaging.destination.name": "events"})
    away = make.span(trace_id, name="POST", kind=3, attributes={"server.address": "bank.example"})
    with start() as running:
        client = client_of(running)
        client.send_traces(make.traces(served, query, sent, service="orders"))
        client.send_traces(make.traces(call, away, service="gateway"))
        client.send_traces(make.traces(taken, service="mail"))
        seconds = int(time.time())

        def all_came(answer):
            client.post("/v1/logs", make.logs(make.log("the writer looks for calls given up when something comes")))
            return len(answer.json()["edges"]) == 5

        found = client.wait("/api/map", all_came, start=seconds - 60, end=seconds + 60).json()
        client.http.close()
    edges = {(*edge["source"], *edge["target"]): edge["total"] for edge in found["edges"]}
    assert edges.keys() == {
        ("service", "gateway", "service", "orders"),
        ("service", "gateway", "external", "bank.example"),
        ("service", "orders", "database", "postgresql"),
        ("service", "orders", "queue", "events"),
        ("queue", "events", "service", "mail"),
    }
    assert edges["service", "gateway", "service", "orders"]["errors"] == 1
    nodes = {(node["kind"], node["name"]): (node["requests"], node["errors"]) for node in found["nodes"]}
    assert nodes["service", "orders"] == (1, 1)
    assert nodes["service", "gateway"] == (0, 0)
