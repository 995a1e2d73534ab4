"""The overview counts requests per service, step and operation."""

import time

from clew_console.store.latency import bucket, bucket_ns, quantiles

MINUTE_NS = 60 * 10**9


def test_services_have_rate_errors_and_latency(start, client_of, make):
    """Requests are SERVER and CONSUMER spans; the steps add up to the total, quantiles are within 5 %."""
    now_ns = time.time_ns()
    spans = [
        make.span(name="GET /a", kind=2, start_ns=now_ns - MINUTE_NS - number, duration_ns=number * 10**6)
        for number in range(1, 101)
    ]
    spans += [make.span(name="db", kind=3), make.span(name="eat", kind=5, status={"code": 2})]
    with start() as running:
        client = client_of(running)
        client.send_traces(make.traces(*spans, service="orders"))
        found = client.get("/api/overview", start=now_ns // 10**9 - 600, end=now_ns // 10**9 + 1).json()
        client.http.close()
    [orders] = found["services"]
    total = orders["total"]
    assert (orders["service"], orders["spans"], total["requests"], total["errors"]) == ("orders", 102, 101, 1)
    assert abs(total["p50_ns"] / 50e6 - 1) < 0.05
    assert abs(total["p99_ns"] / 99e6 - 1) < 0.05
    assert sum(step["requests"] for step in orders["steps"]) == 101
    assert len(orders["steps"]) == found["steps"]["count"]
    assert [(one["name"], one["total"]["requests"]) for one in orders["operations"]] == [("GET /a", 100), ("eat", 1)]


def test_buckets_are_good_to_five_percent():
    """Any duration's bucket has a middle that is at most 5 % off, and quantiles of nothing are 0."""
    for duration_ns in (1, 7, 999, 12_345, 10**6, 123_456_789, 3600 * 10**9):
        assert abs(bucket_ns(bucket(duration_ns)) / duration_ns - 1) < 0.05 or duration_ns < 16
    assert quantiles({}, (0.5, 0.99)) == [0, 0]
