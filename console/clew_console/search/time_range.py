"""From when to when."""

from dataclasses import dataclass

MAX_TIME_NS = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class TimeRange:
    """From start, inclusive, to end, exclusive, in ns since 1970. Spans and logs count by their start."""

    start_ns: int = 0
    end_ns: int = MAX_TIME_NS
