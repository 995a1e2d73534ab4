"""Query parameters with their units and limits."""

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from clew_console.search.traces import MAX_TIME_NS, TimeRange

NS = 10**9
HOUR_NS = 3600 * NS
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


class ParameterError(ValueError):
    """A parameter has a value that it cannot have; the message names it."""


def limit(parameters: Mapping[str, str], default: int, maximum: int) -> int:
    """Return the parameter `limit`, 1 to `maximum`."""
    text = parameters.get("limit") or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:12]) <= maximum:
        raise ParameterError(f"limit must be a whole number from 1 to {maximum}, not {text!r}")
    return int(text)


def range_in_seconds(parameters: Mapping[str, str]) -> TimeRange:
    """Return Tempo's `start` and `end` in seconds since 1970; without them all time."""
    start, end = (_seconds(name, parameters.get(name)) for name in ("start", "end"))
    return _range(0 if start is None else start, MAX_TIME_NS if end is None else end)


def range_in_loki_times(parameters: Mapping[str, str]) -> TimeRange:
    """Return Loki's `start` and `end`: nanoseconds, seconds (up to ten digits, or with a fraction) or RFC 3339.

    Without `end` it is now, without `start` one hour before the end.
    """
    start, end = (_loki_time(name, parameters.get(name)) for name in ("start", "end"))
    end = time.time_ns() if end is None else end
    return _range(end - HOUR_NS if start is None else start, end)


def _range(start_ns: int, end_ns: int) -> TimeRange:
    if start_ns > end_ns:
        raise ParameterError("start must not be after end")
    return TimeRange(min(max(start_ns, 0), MAX_TIME_NS), min(max(end_ns, 0), MAX_TIME_NS))


def _seconds(name: str, text: str | None) -> int | None:
    if not text:
        return None
    if not _NUMBER.fullmatch(text) or len(text) > 30:
        raise ParameterError(f"{name} must be seconds since 1970, not {text!r}")
    return int(text) * NS if text.lstrip("-").isdigit() else _clamped(float(text) * NS)


def _loki_time(name: str, text: str | None) -> int | None:
    if not text:
        return None
    if text.isascii() and text.isdigit() and 10 < len(text) < 20:
        return int(text)
    if _NUMBER.fullmatch(text):
        return _seconds(name, text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ParameterError(f"{name} must be nanoseconds, seconds or an RFC 3339 time, not {text!r}") from error
    return _clamped((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * NS)


def _clamped(time_ns: float) -> int:
    return int(min(max(time_ns, 0.0), float(MAX_TIME_NS)))
