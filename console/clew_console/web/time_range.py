"""The time ranges a page offers."""

import time
from collections.abc import Mapping

from clew_console.search.traces import TimeRange

RANGES = {"5m": "5 minutes", "15m": "15 minutes", "1h": "1 hour", "6h": "6 hours", "24h": "24 hours", "all": "all time"}
DEFAULT_RANGE = "1h"

_UNIT_NS = {"m": 60 * 10**9, "h": 3600 * 10**9}


def range_name(parameters: Mapping[str, str]) -> str:
    """Return the parameter `range`, or 1h for none and for one not offered."""
    name = parameters.get("range", DEFAULT_RANGE)
    return name if name in RANGES else DEFAULT_RANGE


def time_range(name: str) -> TimeRange:
    """Return the range from that long ago on; its end is open, for senders whose clock runs ahead."""
    if name == "all":
        return TimeRange()
    return TimeRange(start_ns=time.time_ns() - int(name[:-1]) * _UNIT_NS[name[-1]])
