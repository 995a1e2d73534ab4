"""Durations as Go and TraceQL write them."""

import re

_UNIT_NS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(ns|us|µs|ms|s|m|h)")


def duration_ns(text: str) -> int:
    """Return the nanoseconds of a duration such as `1.5s`, `300ms` or `1h30m`.

    Raises:
        ValueError: it is none.
    """
    if not text or _PART.sub("", text):
        raise ValueError(f"{text!r} is not a duration such as 1.5s, 300ms or 1h30m")
    return round(sum(float(number) * _UNIT_NS[unit] for number, unit in _PART.findall(text)))
