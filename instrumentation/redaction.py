"""Take secrets out of what is told, before any of it is stored: by an attribute's name, and by the form of credentials.

Most text holds none, which a few searches for a substring tell; the expressions see the rest. Their time is bounded,
since strangers choose the text.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from typing import cast

REDACTED = "[redacted]"
MAX_CHARACTERS = 4096
"""Kept of a text that is looked at closely, unless the caller keeps more."""
MIN_TOKEN_CHARACTERS = 16
"""Of what is recognised by itself, without a name or a mark before it."""
MAX_DEPTH = 8
"""Mappings and lists within each other that are looked into; of deeper ones the encoders tell the type alone."""
MAX_ITEMS = 1024
"""Looked at of one value, in all of its mappings and lists; further ones are hidden."""

_SECRET_KEY = re.compile(
    r"(?:^|[._\s-])(?:api[_-]?key|authorization|client[_-]?secret|cookies?|credentials?|passwd|password|passphrase"
    r"|private[_-]?key|pwd|secret|set[_-]cookie|(?:(?:access|auth|bearer|csrf|id|refresh|session)[_-]?)?token)$",
    re.IGNORECASE,
)
_URL_KEYS = frozenset(("http.url", "http.target", "url.full"))
_QUERY_KEYS = frozenset(("url.query", "http.query"))
_STATEMENT_KEYS = frozenset(("db.statement", "db.query.text"))

_NAME = (  # of what its value should not be seen of
    r"(?:api[_-]?key|access[_-]?key|client[_-]?secret|passwd|password|passphrase|private[_-]?key|pwd|secret|token)"
)
_CREDENTIAL = re.compile(
    rf"""
      (?P<user>://)[^/\s:@]{{0,256}}:[^/\s@]{{1,256}}@
    | (?P<header>\b(?i:(?:proxy-)?authorization|cookie|set-cookie)["']?\s?[:=]\s?b?["']?)[^\r\n"']+
    | (?P<scheme>\b(?i:bearer|basic)\s)(?=[A-Za-z._~+/-]*[A-Z0-9=])[A-Za-z0-9._~+/=-]{{8,}}
    | (?P<name>(?i:{_NAME})(?:["']?(?::\s?|=)b?["']?(?=[^\s"'&,;(\[{{])|["']?\s[=:]\s["']))[^\s"'&,;)]+
    | (?P<parameters>\[parameters:\s).*
    | (?P<row>\bFailing\ row\ contains\ \(|\bKey\ \([^)\n]{{0,256}}\)=\().*(?=\))
    | -----BEGIN\ [A-Z ]{{0,32}}PRIVATE\ KEY-----(?s:.*?)(?:-----END\ [A-Z ]{{0,32}}PRIVATE\ KEY-----|\Z)
    | \beyJ[A-Za-z0-9_-]{{5,}}\.[A-Za-z0-9_-]{{5,}}\.[A-Za-z0-9_-]*
    | \b(?:AKIA|ASIA)[A-Z0-9]{{16}}\b
    | \b(?:gh[ops]_[A-Za-z0-9]{{20,}}|github_pat_[A-Za-z0-9_]{{20,}})
    | \bxox[abeoprs]-[A-Za-z0-9-]{{10,}}
    | \bAIza[A-Za-z0-9_-]{{35}}
    | \b[rsp]k_(?:live|test)_[A-Za-z0-9]+
    """,
    re.VERBOSE,
)
_QUERY = re.compile(
    r"""(://(?:[^/\s:@]{0,256}:[^/\s@]{0,256}@)?[^\s?"'<>:]{0,256}(?::\d{1,5})?[^\s?"'<>:]{0,512}\?)[^\s"'<>)\]]+"""
)
_Nested = Mapping[object, object] | list[object] | tuple[object, ...] | set[object] | frozenset[object]
_STATEMENT = re.compile(r"(?<=\[SQL: )[^\n]*")
_LITERAL = re.compile(r"'(?:[^']|'')*(?:'|\Z)|(?<![\w$:@?%])\d+(?:\.\d+)?")


def redacted(text: str, limit: int = MAX_CHARACTERS) -> str:
    """Return the text without what looks like a credential; the same object if there is none.

    One that is looked at closely is cut at `limit` characters.
    """
    if not ((":" in text or "=" in text) and _has_name(text)) and (
        len(text) < MIN_TOKEN_CHARACTERS or not _has_token(text)
    ):
        return text
    cut = text[:limit]
    if "[SQL: " in cut:
        cut = _STATEMENT.sub(lambda found: _LITERAL.sub("?", found[0]), cut)
    if "://" in cut and "?" in cut:
        cut = _QUERY.sub(rf"\g<1>{REDACTED}", cut)
    clean = _CREDENTIAL.sub(_hidden, cut)
    return text if clean == text else clean


def _has_name(text: str) -> bool:
    """Tell whether a text names what its value should not be seen of, or holds a URL."""
    lower = text.lower()
    return (
        "://" in lower
        or "pass" in lower
        or "token" in lower
        or "secret" in lower
        or "key" in lower
        or "pwd" in lower
        or "cookie" in lower
        or "authorization" in lower
        or "[parameters" in lower
        or "[sql" in lower
    )


def _has_token(text: str) -> bool:
    """Tell whether a text may hold a credential that is known by its own form."""
    return (
        "earer " in text
        or "asic " in text
        or "eyJ" in text
        or "AKIA" in text
        or "ASIA" in text
        or "AIza" in text
        or "ghp_" in text
        or "gho_" in text
        or "ghs_" in text
        or "github_pat_" in text
        or "xox" in text
        or "_live_" in text
        or "_test_" in text
        or "-----BEGIN" in text
        or "row contains" in text
    )


def _hidden(found: re.Match[str]) -> str:
    kept = found[found.lastgroup] if found.lastgroup else ""
    return f"{kept}{REDACTED}{'@' if found.lastgroup == 'user' else ''}"


@lru_cache(maxsize=2048)
def is_secret_key(key: str) -> bool:
    """Tell whether the name of an attribute says that its value is a secret, as `db.password` and `cookie` do."""
    return len(key) <= 256 and _SECRET_KEY.search(key) is not None


def attribute(key: str, value: object, limit: int = MAX_CHARACTERS) -> object:
    """Return the value of an attribute without secrets; the same object if there is none. Never raises."""
    try:
        if value.__class__ is str:
            return _text_attribute(key, cast("str", value), limit)
        if value is None or value is True or value is False:
            return value
        if is_secret_key(key):
            return REDACTED
        return value if value.__class__ in (int, float) else _item(value, limit, [MAX_ITEMS], 0)
    except Exception:
        return REDACTED


def attributes(mapping: Mapping[str, object], limit: int = MAX_CHARACTERS) -> Mapping[str, object]:
    """Return attributes without secrets; the same object if there is none."""
    clean = {key: attribute(key, value, limit) for key, value in mapping.items()}
    return clean if any(clean[key] is not value for key, value in mapping.items()) else mapping


def _text_attribute(key: str, value: str, limit: int) -> str:
    if is_secret_key(key) or (value and key in _QUERY_KEYS):
        return REDACTED
    if key in _STATEMENT_KEYS:
        return _LITERAL.sub("?", value[:limit])
    if key in _URL_KEYS:
        value = value.partition("?")[0]
    return redacted(value, limit)


def _item(value: object, limit: int, left: list[int], depth: int) -> object:
    """Look into a value, of `left[0]` items at most; one that has nothing but a text is looked at as that."""
    left[0] -= 1
    if left[0] < 0:
        return REDACTED
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (Mapping, list, tuple, set, frozenset)):
        return _inside(cast("_Nested", value), limit, left, depth + 1) if depth < MAX_DEPTH else cast("object", value)
    text = bytes(value[:limit]).decode("latin-1") if isinstance(value, (bytes, bytearray)) else str(value)
    clean = redacted(text, limit)
    return value if clean is text else clean


def _inside(value: "_Nested", limit: int, left: list[int], depth: int) -> object:
    if isinstance(value, Mapping):
        items = islice(value.items(), left[0] + 1)
        return {key: REDACTED if is_secret_key(str(key)) else _item(item, limit, left, depth) for key, item in items}
    return [_item(item, limit, left, depth) for item in islice(value, left[0] + 1)]
