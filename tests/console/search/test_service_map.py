"""The map shows who calls whom."""

import os
import time


def test_calls_queues_and_databases_are_edges(start, client_of, make):
    """A client span with its server span is one edge, a producer and a consumer two by way of their queue."""
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
        found = client.wait(
            "/api/map", lambda answer: len(answer.json()["edges"]) == 5, 15, start=seconds - 60, end=seconds + 60
        ).json()
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
