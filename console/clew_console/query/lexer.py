"""Cut a query into tokens by a table of regular expressions."""

import re
from dataclasses import dataclass

from clew_console.query.error import QueryError

MAX_QUERY_CHARACTERS = 4096
MAX_NESTING = 50


@dataclass(frozen=True, slots=True)
class Token:
    """One token: the name of its rule, its text, and where it starts."""

    rule: str
    text: str
    position: int


class Tokens:
    """The tokens of a query with a cursor.

    Args:
        query: At most 4096 characters.
        rules: Named groups; what the group `space` matches is left out.
        supported: Ends every error message.

    Raises:
        QueryError: a character no rule begins with, or a query too long.
    """

    def __init__(self, query: str, rules: re.Pattern[str], supported: str) -> None:
        self.supported = supported
        self._end = Token("end", "", len(query))
        if len(query) > MAX_QUERY_CHARACTERS:
            raise self.error(f"the query is longer than {MAX_QUERY_CHARACTERS} characters")
        self._tokens = self._cut(query, rules)
        self._next = 0

    def _cut(self, query: str, rules: re.Pattern[str]) -> list[Token]:
        tokens, position = list[Token](), 0
        while position < len(query):
            match = rules.match(query, position)
            if match is None or not match[0]:
                raise self.error(f"cannot read {query[position : position + 20]!r} at position {position}")
            if match.lastgroup and match.lastgroup != "space":
                tokens.append(Token(match.lastgroup, match[0], position))
            position = match.end()
        return tokens

    def peek(self) -> Token:
        """Return the next token without taking it; at the end one with the rule `end`."""
        return self._tokens[self._next] if self._next < len(self._tokens) else self._end

    def take(self, *texts_or_rules: str) -> Token | None:
        """Take the next token if its text or rule is one of these."""
        token = self.peek()
        if token.rule == "end" or (token.text not in texts_or_rules and token.rule not in texts_or_rules):
            return None
        self._next += 1
        return token

    def expect(self, wanted: str, *texts_or_rules: str) -> Token:
        """Take the next token; `wanted` is how the error message names it."""
        token = self.take(*texts_or_rules)
        if token is None:
            raise self.unexpected(wanted)
        return token

    def unexpected(self, wanted: str) -> QueryError:
        """Return the error for the next token not being what it should."""
        token = self.peek()
        found = "the end of the query" if token.rule == "end" else f"{token.text!r} at position {token.position}"
        return self.error(f"expected {wanted}, found {found}")

    def error(self, message: str) -> QueryError:
        """Return an error that ends with what is supported."""
        return QueryError(f"{message}. {self.supported}")


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def unquote(text: str) -> str:
    """Return what a token in double quotes (with escapes) or backticks (raw) stands for."""
    if text.startswith("`"):
        return text[1:-1]
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text[1:-1], flags=re.DOTALL)


def pattern(text: str, tokens: Tokens) -> str:
    """Return the regular expression if it compiles.

    Raises:
        QueryError: it does not.
    """
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise tokens.error(f"{text!r} is not a regular expression: {error}") from error
    return text
