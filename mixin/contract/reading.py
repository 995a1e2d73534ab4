"""Read the names out of a query: metrics with their labels, log keys, span attributes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import promql_parser
from clew_console.query.error import QueryError
from clew_console.query.logql import Matcher, parse_logql
from clew_console.query.traceql import Comparison, Junction, parse_traceql

from mixin.contract.place import Place
from mixin.names import SERVICE

_WINDOWS = {"$__rate_interval": "5m", "$__interval": "1m", "$__range": "1h"}
_OPEN = re.compile(r"\$\{[\w.]+(?::\w+)?\}|\$\w+")
OPEN = "an-open-value"
"""Stands for what Grafana fills in."""


class UnreadableError(Exception):
    """A query that its language does not have; the message says why."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A name that a query relies on.

    Attributes:
        name: Of the metric, or empty for logs and spans.
        keys: Labels or attributes that must exist.
        values: Values that must have been there, by key.
    """

    name: str
    keys: frozenset[str] = field(default_factory=frozenset[str])
    values: frozenset[tuple[str, str]] = field(default_factory=frozenset[tuple[str, str]])


def read(place: Place) -> list[Reference]:
    """Return what a place relies on.

    Raises:
        UnreadableError: It does not parse.
    """
    match place.language:
        case "promql":
            return promql(place.text, place.with_label)
        case "logql":
            return [logql(place.text)]
        case "traceql":
            return [traceql(place.text)]
        case _:
            return [Reference("", frozenset((place.text,)))]


def promql(text: str, with_label: str = "") -> list[Reference]:
    """Read a PromQL query; labels of an aggregation must be on every metric inside."""
    for variable, window in _WINDOWS.items():
        text = text.replace(variable, window)
    text = text.replace("${__tags}", "$__tags").replace("$__tags", f'{SERVICE}="{OPEN}"')
    try:
        tree: Any = promql_parser.parse(_OPEN.sub(OPEN, text))
    except ValueError as error:
        raise UnreadableError(str(error)) from error
    return list(_walk(tree, frozenset((with_label,) if with_label else ())))


def _walk(node: Any, labels: frozenset[str]) -> Iterator[Reference]:
    match type(node).__name__:
        case "VectorSelector":
            yield _selector(node, labels)
        case "MatrixSelector":
            yield _selector(node.vector_selector, labels)
        case "AggregateExpr":
            grouped = _group_labels(node.modifier) if node.modifier else frozenset[str]()
            yield from _walk(node.expr, grouped)
        case "BinaryExpr":
            matched = _match_labels(node.modifier)
            yield from _walk(node.lhs, labels | matched)
            # What `unless` takes away leaves no label of its own.
            inherited = frozenset[str]() if str(node.op) in {"unless", "and"} else labels
            yield from _walk(node.rhs, inherited | matched)
        case "Call":
            for argument in node.args:
                yield from _walk(argument, labels)
        case "ParenExpr" | "UnaryExpr" | "SubqueryExpr":
            yield from _walk(node.expr, labels)
        case _:
            return


def _group_labels(modifier: Any) -> frozenset[str]:
    return frozenset(modifier.labels) if "By" in str(modifier.type) else frozenset()


def _match_labels(modifier: Any) -> frozenset[str]:
    matching = modifier.matching if modifier else None
    return frozenset(matching.labels) if matching is not None and str(matching).startswith("on") else frozenset()


def _selector(selector: Any, labels: frozenset[str]) -> Reference:
    matchers = [(each.name, str(each.op), each.value) for each in selector.matchers.matchers]
    if not selector.name:
        raise UnreadableError("a selector without a metric's name")
    keys = labels | {name for name, _, _ in matchers}
    equal = {(name, value) for name, operator, value in matchers if operator == "MatchOp.Equal" and value}
    return Reference(selector.name, keys, frozenset(pair for pair in equal if OPEN not in pair[1]))


def logql(text: str) -> Reference:
    """Read a LogQL query of the subset that the console has too."""
    text = text.replace("${__tags}", f'{SERVICE}="{OPEN}"')
    try:
        query = parse_logql(_OPEN.sub(OPEN, text))
    except QueryError as error:
        raise UnreadableError(str(error)) from error
    matchers = [*query.selector, *(each for each in query.filters if isinstance(each, Matcher))]
    equal = {(each.label, each.value) for each in matchers if each.operator == "=" and OPEN not in each.value}
    return Reference("", frozenset(each.label for each in matchers), frozenset(equal))


def traceql(text: str) -> Reference:
    """Read a TraceQL query of the subset that the console has too; keys keep their scope, as in `resource.x`."""
    try:
        condition = parse_traceql(_OPEN.sub(OPEN, text))
    except QueryError as error:
        raise UnreadableError(str(error)) from error
    comparisons = list(_comparisons(condition)) if condition else []
    chosen = [each for each in comparisons if each.scope != "intrinsic"]
    equal = {
        (f"{each.scope}.{each.key}", str(each.value).lower() if isinstance(each.value, bool) else str(each.value))
        for each in chosen
        if each.operator == "=" and OPEN not in str(each.value)
    }
    return Reference("", frozenset(f"{each.scope}.{each.key}" for each in chosen), frozenset(equal))


def _comparisons(condition: Comparison | Junction) -> Iterator[Comparison]:
    if isinstance(condition, Comparison):
        yield condition
        return
    for part in condition.parts:
        yield from _comparisons(part)
