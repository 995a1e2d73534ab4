"""Parse the TraceQL subset: one spanset of comparisons.

Source of the language: https://grafana.com/docs/tempo/latest/traceql/construct-traceql-queries/
"""

import re
from dataclasses import dataclass
from typing import TypeAlias

from clew_console.query.duration import duration_ns
from clew_console.query.error import QueryError
from clew_console.query.lexer import MAX_NESTING, Token, Tokens, pattern, unquote

SUPPORTED = (
    "Supported: one spanset { ... } of comparisons joined by &&, || and brackets; left side resource.x, span.x, .x, "
    "name, status, kind, duration, rootName or rootServiceName; operators = != =~ !~ > < >= <=; values are strings, "
    "numbers, durations such as 300ms, true, false, a status (error ok unset) or a "
    "kind (server client producer consumer internal unspecified)"
)
STATUS = {"unset": 0, "ok": 1, "error": 2}
KIND = {"unspecified": 0, "internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
TEXT_INTRINSICS = ("name", "rootName", "rootServiceName")

Literal: TypeAlias = str | int | float | bool

_RULES = re.compile(
    r"""(?P<space>\s+)
    |(?P<attribute>(?:resource|span)?\.(?:"(?:[^"\\]|\\.)*"|[A-Za-z0-9_][\w\-/:]*)(?:\.(?:"(?:[^"\\]|\\.)*"|[\w\-/:]+))*)
    |(?P<duration>-?(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+(?![\w.]))
    |(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))
    |(?P<string>"(?:[^"\\]|\\.)*"|`[^`]*`)
    |(?P<operator>=~|!~|!=|>=|<=|=|>|<)
    |(?P<punctuation>&&|\|\||[{}()])
    |(?P<word>[A-Za-z_][\w:]*)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`scope` is resource, span, any (a leading dot) or intrinsic; status and kind are OTLP's numbers, times ns."""

    scope: str
    key: str
    operator: str
    value: Literal


@dataclass(frozen=True, slots=True)
class Junction:
    """Two or more conditions joined by `&&` or `||`."""

    operator: str
    parts: "tuple[Condition, ...]"


Condition: TypeAlias = Comparison | Junction


def parse_traceql(query: str) -> Condition | None:
    """Parse a spanset; None stands for the empty one, which matches every span.

    Raises:
        QueryError: the query is outside of the subset.
    """
    tokens = Tokens(query, _RULES, SUPPORTED)
    tokens.expect("{", "{")
    condition = None if tokens.peek().text == "}" else _either(tokens, 0)
    tokens.expect("}, && or ||", "}")
    if tokens.peek().rule != "end":
        raise tokens.unexpected("the end of the query")
    return condition


def parse_left(text: str) -> Comparison:
    """Parse the left side of a comparison alone, to group by it: `resource.service.name`, `.order.id`, `status`.

    Raises:
        QueryError: it is none.
    """
    tokens = Tokens(text, _RULES, SUPPORTED)
    scope, key = _left(tokens.expect("an attribute or an intrinsic", "attribute", "word"), tokens)
    if tokens.peek().rule != "end":
        raise tokens.unexpected("the end")
    return Comparison(scope, key, "!=", "")


def _either(tokens: Tokens, depth: int) -> Condition:
    parts = [_both(tokens, depth)]
    while tokens.take("||"):
        parts.append(_both(tokens, depth))
    return parts[0] if len(parts) == 1 else Junction("||", tuple(parts))


def _both(tokens: Tokens, depth: int) -> Condition:
    parts = [_single(tokens, depth)]
    while tokens.take("&&"):
        parts.append(_single(tokens, depth))
    return parts[0] if len(parts) == 1 else Junction("&&", tuple(parts))


def _single(tokens: Tokens, depth: int) -> Condition:
    if not tokens.take("("):
        return _comparison(tokens)
    if depth >= MAX_NESTING:
        raise tokens.error(f"brackets are nested deeper than {MAX_NESTING}")
    condition = _either(tokens, depth + 1)
    tokens.expect(")", ")")
    return condition


def _comparison(tokens: Tokens) -> Comparison:
    left = tokens.expect("an attribute or an intrinsic", "attribute", "word")
    scope, key = _left(left, tokens)
    operator = tokens.expect("an operator", "operator").text
    right = tokens.expect("a value", "string", "number", "duration", "word")
    if scope == "intrinsic":
        return Comparison(scope, key, operator, _intrinsic_value(key, operator, right, tokens))
    return Comparison(scope, key, operator, _attribute_value(operator, right, tokens))


def _left(token: Token, tokens: Tokens) -> tuple[str, str]:
    if token.rule == "attribute":
        scope, _, key = token.text.partition(".")
        return scope or "any", re.sub(r'"(?:[^"\\]|\\.)*"', lambda match: unquote(match[0]), key)
    if token.text not in {*TEXT_INTRINSICS, "status", "kind", "duration"}:
        raise tokens.error(f"{token.text!r} is not supported on the left side")
    return "intrinsic", token.text


def _intrinsic_value(key: str, operator: str, right: Token, tokens: Tokens) -> Literal:
    if key in TEXT_INTRINSICS:
        return _text(key, operator, right, tokens)
    if key == "duration":
        return _duration(operator, right, tokens)
    values = STATUS if key == "status" else KIND
    if right.text not in values or operator not in {"=", "!="}:
        raise tokens.error(f"{key} compares by = or != with one of {' '.join(values)}")
    return values[right.text]


def _text(key: str, operator: str, right: Token, tokens: Tokens) -> str:
    if right.rule != "string":
        raise tokens.error(f"{key} compares with a string in double quotes")
    text = unquote(right.text)
    return pattern(text, tokens) if operator in {"=~", "!~"} else text


def _duration(operator: str, right: Token, tokens: Tokens) -> int:
    if right.rule != "duration" or operator in {"=~", "!~"} or right.text.startswith("-"):
        raise tokens.error("duration compares by = != > < >= <= with a duration such as 300ms")
    return duration_ns(right.text)


def _attribute_value(operator: str, right: Token, tokens: Tokens) -> Literal:
    if right.rule == "string" or operator in {"=~", "!~"}:
        return _text("an attribute under a regular expression", operator, right, tokens)
    if right.text in {"true", "false"} and operator in {"=", "!="}:
        return right.text == "true"
    if right.rule == "number":
        return float(right.text) if re.search(r"[.eE]", right.text) else int(right.text)
    if right.rule == "duration":
        return duration_ns(right.text.lstrip("-")) * (-1 if right.text.startswith("-") else 1)
    raise tokens.error(f"{right.text!r} is not a value an attribute compares with")


__all__ = [
    "KIND",
    "STATUS",
    "SUPPORTED",
    "Comparison",
    "Condition",
    "Junction",
    "QueryError",
    "parse_left",
    "parse_traceql",
]
