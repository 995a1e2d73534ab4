"""LogQL: what parses, what is refused, and what it finds in the store."""

import os

import pytest
from clew_console.query.error import QueryError
from clew_console.query.logql import LineFilter, LogQuery, Matcher, parse_logql


def test_the_subset_parses():
    """Selector, line filters and label filters keep their order."""
    assert parse_logql('{a="1", b=~`x.+`} |= "t" != "u" |~ "v" !~ "w" | c != "d" |= "e"') == LogQuery(
        (Matcher("a", "=", "1"), Matcher("b", "=~", "x.+")),
        (
            LineFilter("|=", "t"),
            LineFilter("!=", "u"),
            LineFilter("|~", "v"),
            LineFilter("!~", "w"),
            Matcher("c", "!=", "d"),
            LineFilter("|=", "e"),
        ),
    )


@pytest.mark.parametrize(
    "query",
    [
        "",
        "{}",
        '{a=""}',
        '{a=~".*"}',
        '{a="b"',
        "{a=b}",
        '{a="b"} | json',
        '{a="b"} | c > 5',
        '{a="b"} |= "x" or "y"',
        '{a="b"} | c = "d" or e = "f"',
        'rate({a="b"}[5m])',
        '{a=~"("}',
        '{a="b"} | line_format "x"',
    ],
)
def test_the_rest_is_refused_with_what_is_supported(query):
    """Whatever is outside of the subset says what is inside."""
    with pytest.raises(QueryError, match="Supported: a selector"):
        parse_logql(query)


@pytest.fixture(scope="module")
def world(console, make):
    """Three lines of two services under one mark; returns the mark and the trace id of the first."""
    mark, trace_id = os.urandom(6).hex(), os.urandom(16)
    first = make.log(
        "order placed 100%", trace_id=trace_id, span_id=os.urandom(8), attributes={"request_id": f"r-{mark}"}
    )
    second = make.log("stock low", severity_number=13, attributes={"sku.name": "tea"})
    third = make.log("card declined", severity_number=17, attributes={"sku.name": "rope"})
    console.send_logs(make.logs(first, second, service=f"orders-{mark}"))
    console.send_logs(make.logs(third, service=f"payments-{mark}", zone="eu"))
    return mark, trace_id.hex()


@pytest.mark.parametrize(
    ("selector", "filters", "expected"),
    [
        ('service_name=~".+-{mark}"', "", {"order", "stock", "card"}),
        ('service_name="orders-{mark}"', "", {"order", "stock"}),
        ('service_name=~"orders"', "", set()),
        ('service_name=~".+-{mark}", service_name!="orders-{mark}"', "", {"card"}),
        ('service_name=~".+-{mark}", zone="eu"', "", {"card"}),
        ('service_name=~".+-{mark}", zone!="eu"', "", {"order", "stock"}),
        ('service_name=~".+-{mark}"', '|= "100%"', {"order"}),
        ('service_name=~".+-{mark}"', '!= "d"', {"stock"}),
        ('service_name=~".+-{mark}"', '|~ "o[wr]"', {"order", "stock"}),
        ('service_name=~".+-{mark}"', '!~ "^o"', {"stock", "card"}),
        ('service_name=~".+-{mark}"', '| trace_id="{trace_id}"', {"order"}),
        ('service_name=~".+-{mark}"', '| trace_id!=""', {"order"}),
        ('service_name=~".+-{mark}"', '| trace_id=""', {"stock", "card"}),
        ('service_name=~".+-{mark}"', '| trace_id="nonsense"', set()),
        ('service_name=~".+-{mark}"', '| request_id="r-{mark}"', {"order"}),
        ('service_name=~".+-{mark}"', '| detected_level=~"warn|error"', {"stock", "card"}),
        ('service_name=~".+-{mark}"', '| sku_name="tea"', {"stock"}),
        ('service_name=~".+-{mark}"', '| sku_name!="tea"', {"order", "card"}),
        ('service_name=~".+-{mark}"', '| sku_name=~"tea|rope" | detected_level="error" |= "card"', {"card"}),
        ('service_name=~".+-{mark}"', '| zone="eu"', {"card"}),
    ],
)
def test_the_store_answers(console, world, selector, filters, expected):
    """A query finds the lines that pass its selector and each of its filters."""
    mark, trace_id = world
    query = f"{{{selector}}} {filters}".replace("{mark}", mark).replace("{trace_id}", trace_id)
    streams = console.get("/loki/api/v1/query_range", query=query).json()["data"]["result"]
    assert {line.split()[0] for stream in streams for _, line in stream["values"]} == expected
