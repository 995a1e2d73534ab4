"""What sets failing traces apart."""

import os

from clew_console.search.traits import compare_traits

ERROR = {"code": 2}


def order(make, is_bad, number):
    """Return a trace through two services; the bad ones were handled by another version of payments."""
    root = make.span(name="POST /orders", kind=2, attributes={"customer": f"c{number % 3}", "order": str(number)})
    pay = make.span(root.trace_id, root.span_id, "charge", kind=5, status=ERROR if is_bad else {})
    return root, pay


def test_the_version_that_fails_comes_first(start, client_of, make):
    """Of all that differs, what ran where is told first, in words; ids that every trace has anew are left out."""
    with start() as running:
        client = client_of(running)
        roots, payments = [], {"1.9": [], "2.0": []}
        for number in range(24):
            is_bad = number % 3 == 0
            root, pay = order(make, is_bad, number)
            roots.append(root)
            payments["2.0" if is_bad or number % 8 == 1 else "1.9"].append(pay)
        for version, spans in payments.items():
            client.post("/v1/traces", make.traces(*spans, service="payments", **{"service.version": version}))
        client.post("/v1/traces", make.traces(*roots, service="gateway"))
        client.send_traces(make.traces(make.span(name="what comes last")))
        page = client.get("/changed", mode="failing").text
        client.http.close()
    finding = page.split('class="finding"')[1].split("</p>")[0]
    assert "payments" in finding
    assert "service.version" in finding
    assert "2.0" in finding
    assert "100 %" in finding
    assert "order</code>" not in page


def test_nothing_to_compare_is_no_difference(start):
    """Trace ids that nobody has sent compare to nothing."""
    with start() as running:
        assert compare_traits(running._console._directory, [os.urandom(16)], [os.urandom(16)]) == []


def a_get(make, cache):
    """Return a span that is slow with a cold cache."""
    took = 10**9 if cache == "cold" else 10**6
    return make.span(name="GET /", kind=2, attributes={"cache": cache}, duration_ns=took)


def test_slow_traces_are_compared_with_the_others_of_their_operation(start, client_of, make):
    """The slowest twentieth of the operation that takes most time is the selection."""
    with start() as running:
        client = client_of(running)
        client.send_traces(make.traces(*(a_get(make, "cold" if number < 2 else "warm") for number in range(40))))
        page = client.get("/changed", mode="slow").text
        client.http.close()
    assert "cold" in page.split('class="finding"')[1].split("</p>")[0]
