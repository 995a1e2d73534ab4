"""TraceQL: what parses, what is refused, and what it finds in the store."""

import os

import pytest
from clew_console.query.error import QueryError
from clew_console.query.traceql import Comparison, Junction, parse_traceql


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{}", None),
        ('{ resource.service.name = "a\\"b" }', Comparison("resource", "service.name", "=", 'a"b')),
        ("{ span.http.response.status_code >= 500 }", Comparison("span", "http.response.status_code", ">=", 500)),
        ("{ .0abc.1 != `x` }", Comparison("any", "0abc.1", "!=", "x")),
        ("{ .ratio < -1.5e3 }", Comparison("any", "ratio", "<", -1500.0)),
        ("{ .ok = true }", Comparison("any", "ok", "=", True)),
        ("{ duration > 1h30m }", Comparison("intrinsic", "duration", ">", 5400 * 10**9)),
        ("{duration<=1.5ms}", Comparison("intrinsic", "duration", "<=", 1_500_000)),
        ("{ status = error }", Comparison("intrinsic", "status", "=", 2)),
        ("{ kind != consumer }", Comparison("intrinsic", "kind", "!=", 5)),
        ('{ rootName =~ "GET .*" }', Comparison("intrinsic", "rootName", "=~", "GET .*")),
        (
            '{ status = ok && (name = "a" || name = "b") }',
            Junction(
                "&&",
                (
                    Comparison("intrinsic", "status", "=", 1),
                    Junction(
                        "||", (Comparison("intrinsic", "name", "=", "a"), Comparison("intrinsic", "name", "=", "b"))
                    ),
                ),
            ),
        ),
    ],
)
def test_the_subset_parses(query, expected):
    """Every form of the subset has one meaning."""
    assert parse_traceql(query) == expected


@pytest.mark.parametrize(
    "query",
    [
        "",
        "{",
        "{ name }",
        "{ name = }",
        "{ name = 3 }",
        "{ status > error }",
        "{ status = wrong }",
        "{ duration = 3 }",
        "{ foo = 1 }",
        "{ event.name = 1 }",
        '{ name = "a" } | count() > 1',
        '{ name = "a" } && { name = "b" }',
        '{ name =~ "(" }',
        "{ .a = nil }",
        "{ .a = 1 &&& .b = 2 }",
        "{ " + "(" * 100 + ".a = 1" + ")" * 100 + " }",
        '{ name = "' + "x" * 5000 + '" }',
        "{ name = 'a' }",
    ],
)
def test_the_rest_is_refused_with_what_is_supported(query):
    """Whatever is outside of the subset says what is inside."""
    with pytest.raises(QueryError, match="Supported: one spanset"):
        parse_traceql(query)


@pytest.fixture(scope="module")
def world(console, make):
    """Two traces under one mark: a gateway's with an error in payments, and one whose root has not come."""
    mark = os.urandom(6).hex()
    whole, partial = os.urandom(16), os.urandom(16)
    root = make.span(whole, name="POST /orders", kind=2, duration_ns=9 * 10**6, attributes={"mark": mark, "n": 3})
    child_attributes = {"mark": mark, "tags": ["red", "blue"], "ratio": 0.5, "is.new": True, "0digit": "yes"}
    failed = {"status": {"code": 2}}
    child = make.span(whole, root.span_id, "charge", kind=5, attributes=child_attributes, **failed)
    orphan = make.span(partial, os.urandom(8), "lonely", kind=1, attributes={"mark": mark, "n": 30})
    console.send_traces(make.traces(root, service="gateway"))
    console.send_traces(make.traces(child, service="payments", region="eu"))
    console.send_traces(make.traces(orphan, service="lost"))
    return mark


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("", {"POST /orders", "lonely"}),
        ('&& resource.service.name = "payments"', {"POST /orders"}),
        ('&& resource.service.name != "lost"', {"POST /orders"}),
        ('&& resource.service.name =~ "lo"', set()),
        ('&& .region = "eu"', {"POST /orders"}),
        ('&& span.region = "eu"', set()),
        ("&& status = error", {"POST /orders"}),
        ("&& kind = internal", {"lonely"}),
        ("&& duration >= 9ms", {"POST /orders"}),
        ("&& duration > 9ms", set()),
        ('&& name = "lonely"', {"lonely"}),
        ('&& name =~ "lone.*|none"', {"lonely"}),
        ('&& name !~ "POST.*|charge"', {"lonely"}),
        ("&& span.n = 3", {"POST /orders"}),
        ("&& span.n = 3.0", {"POST /orders"}),
        ('&& span.n = "3"', set()),
        ("&& span.n != 3", {"lonely"}),
        ("&& span.n > 3", {"lonely"}),
        ("&& span.ratio < 1", {"POST /orders"}),
        ("&& span.is.new = true", {"POST /orders"}),
        ('&& span.tags = "blue"', {"POST /orders"}),
        ('&& .0digit = "yes"', {"POST /orders"}),
        ('&& rootName = "POST /orders" && status = error', {"POST /orders"}),
        ('&& rootServiceName =~ "gate.*"', {"POST /orders"}),
        ('&& rootServiceName != "gateway"', set()),
        ("&& (span.n = 30 || status = error) && kind != server", {"POST /orders", "lonely"}),
        ("&& span.n = 3 && status = error", set()),
    ],
)
def test_the_store_answers(console, world, condition, expected):
    """A condition finds the traces that have one span for which all of it holds."""
    query = f'{{ span.mark = "{world}" {condition} }}'
    found = console.get("/api/search", q=query).json()["traces"]
    names = {one["rootTraceName"].replace("<root span not yet received>", "lonely") for one in found}
    assert names == expected
