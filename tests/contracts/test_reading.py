"""Names are read out of queries as the query languages have them."""

import pytest

from mixin.contract.check import unresolved
from mixin.contract.emitted import Emitted
from mixin.contract.place import Place, expand
from mixin.contract.reading import Reference, UnreadableError, logql, promql, read, traceql


def test_labels_of_aggregations_and_matchers_belong_to_every_metric_inside():
    """Group labels, matchers, matching labels and values are asked of the metrics they apply to."""
    found = promql(
        'sum by (le, route) (rate(a_bucket{x="1", y=~"z.*"}[$__rate_interval]) or rate(b_bucket[5m])) '
        '/ on (slo) c{slo="$slo"} unless d{e!="f"}'
    )
    assert found == [
        Reference("a_bucket", frozenset(("le", "route", "x", "y")), frozenset((("x", "1"),))),
        Reference("b_bucket", frozenset(("le", "route"))),
        Reference("c", frozenset(("slo",))),
        Reference("d", frozenset(("e",))),
    ]


def test_logs_and_traces_are_read_with_what_grafana_fills_in():
    """Keys of selectors, filters and comparisons are found; what is a variable has no value."""
    assert logql('{service_name=~"$service"} | detected_level=~"warn|error" |= "x"').keys == {
        "service_name",
        "detected_level",
    }
    found = traceql('{ resource.service.name = "$service" && span.http.route = "/a" && status = error }')
    assert found.keys == {"resource.service.name", "span.http.route"}
    assert found.values == {("span.http.route", "/a")}


@pytest.mark.parametrize(
    ("language", "text"),
    [("promql", "sum(rate(a[5m])"), ("promql", "sum(a) by"), ("logql", "{a=~}"), ("traceql", "{ span.a }")],
)
def test_a_query_that_does_not_parse_is_named(language, text):
    """What is no query is unresolved, with the parser's words."""
    place = Place("here", language, text)
    with pytest.raises(UnreadableError):
        read(place)
    (found,) = unresolved([place], Emitted(), {})
    assert found.where == "here"
    assert found.missing.startswith("cannot be read: ")


def test_a_single_dollar_in_provisioning_is_lost_as_grafana_loses_it():
    """Grafana takes `$x` for a variable of the environment; only `$$` stays a dollar."""
    assert expand({"query": ["{$${__tags}}", "{$__tags}"]}) == {"query": ["{${__tags}}", "{}"]}
