"""Parse the LogQL subset: a stream selector, line filters and label filters.

Source of the language: https://grafana.com/docs/loki/latest/query/log_queries/
"""

import re
from dataclasses import dataclass

from clew_console.query.compare import compiled
from clew_console.query.lexer import Tokens, pattern, unquote

SUPPORTED = (
    'Supported: a selector {label="value", ...} with = != =~ !~, then any number of line filters |= "text", != "text", '
    '|~ "regex", !~ "regex" and label filters | label op "value" with = != =~ !~'
)

_RULES = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>"(?:[^"\\]|\\.)*"|`[^`]*`)
    |(?P<operator>=~|!~|!=|\|=|\|~|=)
    |(?P<punctuation>[{},|])
    |(?P<label>[A-Za-z_]\w*)""",
    re.VERBOSE | re.DOTALL,
)
_COMPARE = ("=", "!=", "=~", "!~")
_LINE = ("|=", "|~", "!=", "!~")


@dataclass(frozen=True, slots=True)
class Matcher:
    """A label compared with a text; a missing label is the empty text. Regular expressions match the whole value."""

    label: str
    operator: str
    value: str

    def matches(self, value: str) -> bool:
        """Tell whether a label with this value passes."""
        if self.operator in {"=~", "!~"}:
            return (compiled(self.value).fullmatch(value) is not None) == (self.operator == "=~")
        return (value == self.value) == (self.operator == "=")


@dataclass(frozen=True, slots=True)
class LineFilter:
    """`|=` and `!=` look for a text in the line, `|~` and `!~` for a match anywhere in it."""

    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class LogQuery:
    """A parsed query. The selector sees resource labels, the label filters structured metadata too."""

    selector: tuple[Matcher, ...]
    filters: tuple[LineFilter | Matcher, ...]


def parse_logql(query: str) -> LogQuery:
    """Parse a log query.

    Raises:
        QueryError: the query is outside of the subset, or its selector would select a stream without labels, which
            Loki refuses too.
    """
    tokens = Tokens(query, _RULES, SUPPORTED)
    selector = _selector(tokens)
    filters = list[LineFilter | Matcher]()
    while tokens.peek().rule != "end":
        filters.append(_label_filter(tokens) if tokens.take("|") else _line_filter(tokens))
    return LogQuery(selector, tuple(filters))


def _selector(tokens: Tokens) -> tuple[Matcher, ...]:
    tokens.expect("{", "{")
    matchers = list[Matcher]()
    while tokens.peek().text != "}":
        matchers.append(_matcher(tokens))
        if not tokens.take(","):
            break
    tokens.expect('"," or }', "}")
    if all(matcher.matches("") for matcher in matchers):
        raise tokens.error('the selector needs a matcher that the empty text does not pass, such as service_name=~".+"')
    return tuple(matchers)


def _matcher(tokens: Tokens) -> Matcher:
    label = tokens.expect("a label", "label").text
    operator = tokens.expect("= != =~ or !~", *_COMPARE).text
    value = unquote(tokens.expect("a string in double quotes or backticks", "string").text)
    return Matcher(label, operator, pattern(value, tokens) if operator.endswith("~") else value)


def _label_filter(tokens: Tokens) -> Matcher:
    following = tokens.peek()
    matcher = _matcher(tokens)
    if tokens.peek().rule not in {"end", "operator", "punctuation"} or tokens.peek().text in {",", "{", "}"}:
        raise tokens.unexpected(f'the next filter after "{following.text}"')
    return matcher


def _line_filter(tokens: Tokens) -> LineFilter:
    operator = tokens.expect("a filter", *_LINE).text
    value = unquote(tokens.expect("a string in double quotes or backticks", "string").text)
    return LineFilter(operator, pattern(value, tokens) if operator.endswith("~") else value)
