"""Baggage: what a request carries along for whoever serves it further on, as W3C writes it.

Strangers send it and services fill it: so it is bounded both ways, and what is sent is valid whatever was put in.
Source: https://www.w3.org/TR/baggage/.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

from opentelemetry import baggage as otel_baggage
from opentelemetry.context import Context

from instrumentation.redaction import is_secret_key, redacted

MAX_BAGGAGE_BYTES = 8192
"""All members together, the least that W3C lets one bear; a longer header from outside is ignored whole."""
MAX_BAGGAGE_ENTRIES = 64
MAX_ENTRY_BYTES = 4096
"""Key, `=` and value as sent."""

_KEY = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]*")
_BAGGAGE_KEY = next(iter(otel_baggage.set_baggage("key", "value", Context())))
"""Where the API keeps the baggage in a context; it has no public name."""


def parse_baggage(value: bytes) -> dict[str, str]:
    """Parse a `baggage` header.

    Properties are dropped, and so are malformed members, those beyond 64, and any of more than 4096 bytes. Bytes that
    are no UTF-8 after percent-decoding become U+FFFD, as W3C has it.
    """
    if not value or len(value) > MAX_BAGGAGE_BYTES:
        return {}
    entries: dict[str, str] = {}
    for member in value.decode("latin-1").split(",", MAX_BAGGAGE_ENTRIES)[:MAX_BAGGAGE_ENTRIES]:
        key, equals, rest = member.partition("=")
        key, text = key.strip(" \t"), rest.partition(";")[0].strip(" \t")
        fits = len(key) + len(text) < MAX_ENTRY_BYTES
        if equals and fits and _KEY.fullmatch(key) and _VALUE.fullmatch(text):
            entries[key] = unquote(text) if "%" in text else text
    return entries


def format_baggage(entries: Mapping[str, object], max_bytes: int = MAX_BAGGAGE_BYTES) -> str:
    """Write a `baggage` header, empty if there is nothing to send.

    Left out are entries whose key is no W3C token, which cannot be written, those whose value cannot be told as text,
    those that are secrets by their name or look, since baggage goes to whoever is called, and those beyond the limits:
    the first ones stay.
    """
    members: list[str] = []
    size = -1
    for key, value in entries.items():
        member = _member(key, value)
        if member and size + 1 + len(member) <= max_bytes:
            members.append(member)
            size += 1 + len(member)
            if len(members) == MAX_BAGGAGE_ENTRIES:
                break
    return ",".join(members)


def _member(key: str, value: object) -> str:
    try:
        if not _KEY.fullmatch(key):
            return ""
        text = str(value)[:MAX_ENTRY_BYTES]
        if is_secret_key(key) or redacted(text) is not text:
            return ""
        member = f"{key}={quote(text, safe='', errors='replace')}"
    except Exception:  # a value of the service's own kind, or a key that is no text
        return ""
    return member if len(member) <= MAX_ENTRY_BYTES else ""


def with_baggage(context: Context, entries: Mapping[str, str]) -> Context:
    """Return the context with the entries added to its baggage."""
    if not entries:
        return context
    # At once: the API copies baggage and context for each entry.
    return Context({**context, _BAGGAGE_KEY: {**otel_baggage.get_all(context), **entries}})
