"""The time a page shows: the last hours, or from one moment to another."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo

from clew_console.search.extent import extent
from clew_console.search.steps import Steps, steps
from clew_console.search.time_range import MAX_TIME_NS, TimeRange
from clew_console.store.directory import Directory

RANGES = {
    "5m": "5 minutes",
    "15m": "15 minutes",
    "1h": "1 hour",
    "3h": "3 hours",
    "6h": "6 hours",
    "24h": "24 hours",
    "7d": "7 days",
    "all": "all time",
}
DEFAULT_RANGE = "1h"
AHEAD_NS = 60 * 10**9
"""A relative range is open towards the future by this much, for senders whose clock runs ahead."""

_UNIT_NS = {"m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
_MAX_MS = MAX_TIME_NS // 10**6


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time as the address of a page tells it.

    Attributes:
        name: A key of RANGES, or "" for a fixed time.
    """

    start_ns: int
    end_ns: int
    name: str = ""

    @property
    def is_moving(self) -> bool:
        """Whether the period ends now, so that new data belongs to it."""
        return bool(self.name)

    @property
    def parameters(self) -> dict[str, str]:
        """Return the query parameters that stand for it."""
        if self.name:
            return {"range": self.name}
        return {"from": str(self.start_ns // 10**6), "to": str(-(-self.end_ns // 10**6))}

    @property
    def times(self) -> TimeRange:
        """Return what a search takes."""
        return TimeRange(self.start_ns, self.end_ns + (AHEAD_NS if self.is_moving else 0))

    def steps(self, most: int = 75) -> Steps:
        """Cut it for a chart."""
        return steps(TimeRange(self.start_ns, self.end_ns), most)


def period(parameters: Mapping[str, str], directory: Directory, zone: tzinfo, default: str = DEFAULT_RANGE) -> Period:
    """Return the period of the parameters `from` and `to`, or of `range`; the default for what is not understood."""
    start_ns, end_ns = (_moment_ns(parameters.get(name, ""), zone) for name in ("from", "to"))
    if start_ns is not None and end_ns is not None and start_ns < end_ns:
        return Period(start_ns, end_ns)
    name = parameters.get("range", default)
    name = name if name in RANGES else default
    now_ns = time.time_ns()
    if name == "all":
        known = extent(directory) or (now_ns - 3600 * 10**9, now_ns)
        return Period(known[0], max(known[1] + 1, known[0] + 10**9), name)
    return Period(now_ns - int(name[:-1]) * _UNIT_NS[name[-1]], now_ns, name)


def _moment_ns(text: str, zone: tzinfo) -> int | None:
    """Return milliseconds since 1970 or a local date and time in ns; None for neither."""
    if text.isascii() and text.isdigit():
        return min(int(text[:16]), _MAX_MS) * 10**6
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        return max(int(moment.timestamp() * 1000), 0) * 10**6
    except (ValueError, OverflowError, OSError):
        return None
