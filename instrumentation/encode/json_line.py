"""Render a log record as one line of JSON in ASCII.

Keys come in the order `timestamp level event logger service.name trace_id span_id request_id`, then attributes.
Everything outside of ASCII is escaped, so that no control character, line separator or lone surrogate reaches a reader.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quote
from math import isfinite
from time import gmtime, strftime
from typing import cast

from instrumentation.encode.otlp import MAX_DEPTH, MAX_VALUE_CHARACTERS, as_text

Nested = Mapping[object, object] | list[object] | tuple[object, ...]

RESERVED = frozenset(
    ("timestamp", "level", "event", "logger", "service.name", "trace_id", "span_id", "request_id"),
)


@lru_cache(maxsize=4)
def _second(unix_seconds: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(unix_seconds))


def timestamp(time_ns: int) -> str:
    """Return ISO 8601 in UTC with microseconds; the text up to the second is cached."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1000:06d}Z"


def value(item: object, limit: int = MAX_VALUE_CHARACTERS, depth: int = 0) -> str:
    """Render any value as JSON. Never raises: what JSON cannot hold becomes its text."""
    if isinstance(item, str):
        return quote(item[:limit])
    if item is None or isinstance(item, bool):
        return json.dumps(item)
    if isinstance(item, int) and abs(item) < 1 << 63:
        return int.__repr__(item)
    if isinstance(item, float) and isfinite(item):
        return float.__repr__(item)
    if depth < MAX_DEPTH and isinstance(item, (Mapping, list, tuple)):
        try:
            return _nested(cast("Nested", item), limit, depth + 1)
        except Exception:
            return quote(f"<{type(cast('object', item)).__name__} raised>")
    return quote(as_text(item, limit) if depth < MAX_DEPTH else type(cast("object", item)).__name__)


def _nested(item: Nested, limit: int, depth: int) -> str:
    if isinstance(item, Mapping):
        return (
            "{"
            + ", ".join([f"{quote(as_text(key, limit))}: {value(part, limit, depth)}" for key, part in item.items()])
            + "}"
        )
    return "[" + ", ".join([value(part, limit, depth) for part in item]) + "]"


def fields(mapping: Mapping[str, object], limit: int = MAX_VALUE_CHARACTERS) -> str:
    """Render attributes as the tail of a line's object; one named like a key of the line becomes `attributes.NAME`."""
    return "".join([f", {quote(_name(key, limit))}: {value(item, limit)}" for key, item in mapping.items()])


def _name(key: object, limit: int) -> str:
    name = cast("str", key) if key.__class__ is str and len(cast("str", key)) <= limit else as_text(key, limit)
    return f"attributes.{name}" if name in RESERVED else name


def head(level: str, event: str, logger: str, service_name: str) -> str:
    """Render what follows the timestamp, up to the service name."""
    return f"{_level(level)}{quote(event)}{_origin(logger, service_name)}"


@lru_cache(maxsize=64)
def _level(level: str) -> str:
    return f'", "level": {quote(level)}, "event": '


@lru_cache(maxsize=1024)
def _origin(logger: str, service_name: str) -> str:
    return f', "logger": {quote(logger)}, "service.name": {quote(service_name)}'


def ids(trace_id: bytes, span_id: bytes, request_id: str) -> str:
    """Render the identity of the span that a record belongs to; `request_id` was checked to need no escaping."""
    rendered = f', "trace_id": "{trace_id.hex()}", "span_id": "{span_id.hex()}"'
    return f'{rendered}, "request_id": "{request_id}"' if request_id else rendered


SPAN_LINE = b'{"timestamp": "%b.%06dZ%b, "trace_id": "%b", "span_id": "%b", "request_id": "%b"%b%.6f}\n'
"""A line that belongs to a span and ends in a number: `second`, microsecond, head, ids in hexadecimal, tail, number.

One formatting step costs 0.6 us, joining text with `ids` and `line` 1.3.
"""


@lru_cache(maxsize=4)
def second(unix_seconds: int) -> bytes:
    """Render a timestamp up to its second."""
    return _second(unix_seconds).encode("ascii")


def line(time_ns: int, head: str, ids: str, tail: str) -> bytes:
    """Join the parts into a line, line break included."""
    return f'{{"timestamp": "{timestamp(time_ns)}{head}{ids}{tail}}}\n'.encode("ascii")
