"""Searching by column finds what looking at each span finds."""

import random

import pytest
from clew_console.query.block_match import Matcher, may_match
from clew_console.query.span_match import Root, span_facts, span_matches
from clew_console.query.traceql import parse_traceql
from clew_console.store.resource import ResourceRow
from clew_console.store.span_block import SpanBlock
from clew_console.store.term import make_filter

QUERIES = (
    '{ span.n = "a" }',
    "{ .n = 3 }",
    "{ .n = 3.0 }",
    "{ span.n != 3 }",
    "{ span.n > 1 && span.n < 4 }",
    '{ span.n =~ "x+" || name = "GET /" }',
    "{ .n = true }",
    "{ duration > 1us && status = error }",
    "{ duration <= 5us }",
    "{ kind != server && (status = ok || status = unset) }",
    '{ resource.service.name = "shop" && span.http.route = "a" }',
    '{ resource.service.name = "other" || .http.route = "a" }',
    '{ .service.name = "shop" }',
    '{ span.absent = "a" }',
    '{ name !~ "G.*" }',
    '{ span.n.m = "a" && name = "" }',
    "{}",
)


@pytest.mark.parametrize("query", QUERIES)
def test_columns_and_spans_agree(query, make, span_scan):
    """A block's mask is 1 exactly where the plain matcher says yes, and its filter never hides a match."""
    condition = parse_traceql(query)
    source = random.Random(query)
    spans = [_span(make, source) for _ in range(400)]
    builder = span_scan(spans)
    block, found = SpanBlock(builder.encode()), make_filter(builder.pairs)
    resources = {1: ResourceRow(1, "shop", "", b"", {"service.name": "shop"})}
    expected = [
        span_matches(condition, span_facts(span, resources[1].attributes, lambda: Root(None, None))) for span in spans
    ]
    assert [bool(one) for one in Matcher(condition, resources).mask(block)] == expected
    assert may_match(condition, found, max(builder.durations), resources) or not any(expected)


def _span(make, source):
    values = ("a", "xx", 3, 3.0, 2, True, False, ["a", "b"], "")
    chosen = source.sample(("n", "http.route", "n.m", "other"), source.randrange(4))
    return make.span(
        name=source.choice(("", "GET /", "charge")),
        kind=source.choice((1, 2, 3)),
        status={"code": source.randrange(3)},
        duration_ns=source.choice((0, 500, 5000, 10**6)),
        attributes={key: source.choice(values) for key in chosen},
    )


def test_a_filter_leaves_blocks_out(make, span_scan):
    """A value that no span has is found missing without opening the block, 19 times of 20."""
    builder = span_scan([make.span(attributes={"order.id": str(number)}) for number in range(1000)])
    found = make_filter(builder.pairs)
    passed = sum(may_match(parse_traceql(f'{{ span.order.id = "no{n}" }}'), found, 0, {}) for n in range(1000))
    assert passed < 100
    assert all(may_match(parse_traceql(f'{{ span.order.id = "{n}" }}'), found, 0, {}) for n in range(1000))


@pytest.fixture
def span_scan(make):
    """Return a function that gathers spans in a block builder."""
    from clew_console.store.span_block import SpanBuilder
    from clew_console.store.span_scan import scan_spans

    def build(spans):
        builder = SpanBuilder()
        scan_spans(make.traces(*spans).SerializeToString(), lambda *_: (1, 2), builder, lambda: builder)
        return builder

    return build
