"""Read a SQL statement's words: its text without literals, its summary, its operation and its table.

No parser: one regular expression cuts the text into tokens, and the summary follows from the keywords. The text goes to
a telemetry backend, so a string that is never closed counts as a literal up to the end.

Source: https://opentelemetry.io/docs/specs/semconv/db/database-spans/, "Sanitization of db.query.text" and "Generating
a summary of the query".
"""

import re
from functools import lru_cache
from typing import NamedTuple

MAX_TEXT_CHARACTERS = 4096
"""Read of a statement; what is behind appears neither in the text nor in the summary."""
MAX_SUMMARY_CHARACTERS = 255
MAX_CACHED = 1024
"""Statements kept; the one that was not used for longest makes room. At most some 8 MiB."""

_TOKENS = r"""
  (?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z)COMMENT)
| (?P<literal>
    [Ee]'(?:[^'\\]|\\.|'')*(?:'|\\?\Z)
  | STRING
  | \$(?P<tag>[A-Za-z_]*)\$.*?(?:\$(?P=tag)\$|\Z)
  | (?<![\w$:@?%])(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
  )
| (?P<parameter>%\(\w+\)s|%s|::|[:@$?][\w$]*)
| (?P<name>NAME(?:\s*\.\s*NAME)*)
| (?P<mark>[(),;])
"""


def _tokens(string: str, name: str, comment: str = "") -> "re.Pattern[str]":
    pattern = _TOKENS.replace("STRING", string).replace("NAME", f"(?:{name})").replace("COMMENT", comment)
    return re.compile(pattern, re.VERBOSE | re.DOTALL)


_WORD = r"[^\W\d][\w$]*"
_STRING = r"(?:[NnBbXx]|[Uu]&)?'(?:[^']|'')*(?:'|\Z)"
_ESCAPING_STRING = r"[NnBbXx]?'(?:[^'\\]|\\.|'')*(?:'|\\?\Z)|\"(?:[^\"\\]|\\.|\"\")*(?:\"|\\?\Z)"
_QUOTED = r"\"(?:[^\"]|\"\")*(?:\"|\Z)"
_BACKTICKED = r"`[^`]*(?:`|\Z)"
_STANDARD = _tokens(_STRING, f"{_WORD}|{_QUOTED}|{_BACKTICKED}")
_MYSQL = _tokens(_ESCAPING_STRING, f"{_WORD}|{_BACKTICKED}", r"|\#[^\n]*")
_BY_DIALECT = {
    "mysql": _MYSQL,  # a backslash escapes, double quotes enclose a string
    "mariadb": _MYSQL,
    # Only here: elsewhere brackets hold arrays, and those hold literals.
    "mssql": _tokens(_STRING, rf"{_WORD}|{_QUOTED}|\[[^\]]*(?:\]|\Z)"),
}

_OPERATIONS = frozenset(("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"))
_SCHEMA_OPERATIONS = frozenset(("CREATE", "DROP", "ALTER", "TRUNCATE"))
_SCHEMA_OBJECTS = frozenset(("TABLE", "INDEX", "VIEW", "SCHEMA", "DATABASE", "SEQUENCE", "TRIGGER", "FUNCTION", "TYPE"))
_BEFORE_TARGET = frozenset(("FROM", "JOIN", "INTO"))
_BETWEEN = frozenset(("IF", "NOT", "EXISTS", "ONLY", "LATERAL", "CONCURRENTLY", "IGNORE", "OR", "REPLACE", "ABORT"))
_NO_OPERATION_AFTER = frozenset(("FOR", "DO", "ON", "KEY", "OF", "AFTER", "BEFORE"))
_AFTER_TARGETS = frozenset(
    ("SET", "WHERE", "VALUES", "ON", "USING", "GROUP", "ORDER", "HAVING", "LIMIT", "UNION", "RETURNING", "WINDOW")
)


class Statement(NamedTuple):
    """What telemetry says of a statement.

    Attributes:
        text: Each literal replaced by `?`, comments left out.
        summary: Operations and tables in their order, such as `SELECT orders items`.
        operation: The first operation in capitals; empty if the statement has no word.
        collection: Its table, if there is exactly one.
    """

    text: str
    summary: str
    operation: str
    collection: str


def statement(text: str, dialect: str) -> Statement:
    """Read a statement; only its first MAX_TEXT_CHARACTERS count.

    Args:
        text: SQL.
        dialect: SQLAlchemy's name of it, such as `postgresql`.
    """
    return _statement(text[:MAX_TEXT_CHARACTERS], dialect)


@lru_cache(maxsize=MAX_CACHED)
def _statement(text: str, dialect: str) -> Statement:
    reader = _Reader()
    sanitised = _BY_DIALECT.get(dialect, _STANDARD).sub(reader.token, text).strip()
    words, targets = reader.words, set(reader.targets)
    return Statement(sanitised, _joined(words), words[0] if words else "", targets.pop() if len(targets) == 1 else "")


def _joined(words: list[str]) -> str:
    """Join words as far as they fit, none of them cut."""
    summary = ""
    for word in words:
        longer = f"{summary} {word}" if summary else word
        if len(longer) > MAX_SUMMARY_CHARACTERS:
            break
        summary = longer
    return summary


class _Reader:
    """Takes a statement's tokens in their order.

    Attributes:
        words: Of the summary.
        targets: Tables.
    """

    def __init__(self) -> None:
        self.words: list[str] = []
        self.targets: list[str] = []
        self._previous = ""
        self._expects_target = False
        self._lists_targets = False
        self._after_with = False
        # For the statement and each open bracket: whether it holds a query, whose FROM is followed by a table.
        self._queries = [True]

    def token(self, match: "re.Match[str]") -> str:
        """Note what a token means and return what stands for it in the text."""
        kind, token = match.lastgroup, match.group()
        if kind == "literal":
            self._expects_target = False
            return "?"
        if kind == "comment":
            return " "
        if kind == "name":
            word = token.upper()
            self._name(token, word)
            self._previous = word
        elif kind == "mark":
            self._mark(token)
            self._previous = token
        return token

    def _mark(self, mark: str) -> None:
        self._expects_target = mark == "," and self._lists_targets
        if mark == ",":
            return
        self._lists_targets = False
        if mark == "(":
            self._queries.append(False)
        elif mark == ")" and len(self._queries) > 1:
            self._queries.pop()

    def _name(self, token: str, word: str) -> None:
        if word in _OPERATIONS and self._previous not in _NO_OPERATION_AFTER:
            self._operation(word)
        elif self._expects_target:
            if word not in _BETWEEN:
                self._target(token)
        elif not self.words:
            self._first(word)
        elif word in _SCHEMA_OBJECTS and self.words[-1] in _SCHEMA_OPERATIONS:
            self.words[-1] = f"{self.words[-1]} {word}"
            self._expects_target = True
        elif word in _BEFORE_TARGET and self._queries[-1] and self._previous != "DISTINCT":  # IS DISTINCT FROM
            self._expects_target = True
        elif word in _AFTER_TARGETS:
            self._lists_targets = False

    def _first(self, word: str) -> None:
        if word == "WITH":
            self._after_with = True
        elif not self._after_with:
            self._operation(word)

    def _operation(self, word: str) -> None:
        self.words.append(word)
        self._queries[-1] = True
        self._expects_target = word == "UPDATE"
        self._lists_targets = False

    def _target(self, token: str) -> None:
        target = re.sub(r"[\"`\[\]]|\s+(?=\.)|(?<=\.)\s+", "", token)
        self.words.append(target)
        self.targets.append(target)
        self._expects_target = False
        self._lists_targets = True
