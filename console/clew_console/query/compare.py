"""Compare a stored value with a query's literal."""

import operator as op
import re
from collections.abc import Callable
from functools import lru_cache

from clew_console.query.traceql import Literal
from clew_console.store.value import Value

ORDER: dict[str, Callable[[object, object], bool]] = {
    "=": op.eq,
    "!=": op.ne,
    ">": op.gt,
    "<": op.lt,
    ">=": op.ge,
    "<=": op.le,
}
compiled = lru_cache(maxsize=256)(re.compile)


def matches(value: Value, operator: str, literal: Literal) -> bool:
    """Tell whether `value operator literal` holds.

    A missing value (None) and a value of another type never match, as in Tempo; of a list one item has to match.
    Regular expressions match the whole text.
    """
    if isinstance(value, list):
        return any(matches(item, operator, literal) for item in value)
    if _family(value) != _family(literal):
        return False
    if operator in {"=~", "!~"}:
        return (compiled(str(literal)).fullmatch(str(value)) is not None) == (operator == "=~")
    return ORDER[operator](value, literal)


def _family(value: object) -> str:
    """Return the type by which values compare: numbers of both kinds are one, bool is no number."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "other"
