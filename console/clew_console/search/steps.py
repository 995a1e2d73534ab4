"""Cut a time range into equal steps."""

import time
from dataclasses import dataclass

from clew_console.search.time_range import TimeRange

NS_PER_SECOND = 10**9
STEPS_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400)
"""The steps a chart uses: those people count in."""


@dataclass(frozen=True, slots=True)
class Steps:
    """`count` steps of `step_ns` from `start_ns` on; times are ns since 1970 and multiples of the step."""

    start_ns: int
    step_ns: int
    count: int

    @property
    def end_ns(self) -> int:
        """The end of the last step, exclusive."""
        return self.start_ns + self.step_ns * self.count

    def index(self, time_ns: int) -> int:
        """Return the step a time is in; out of the range it is below 0 or not below `count`."""
        return (time_ns - self.start_ns) // self.step_ns

    def times(self) -> list[int]:
        """Return the start of each step."""
        return [self.start_ns + number * self.step_ns for number in range(self.count)]


def steps(when: TimeRange, most: int, *, shortest_seconds: int = 1, first_ns: int | None = None) -> Steps:
    """Cut the range into at most `most` steps of a length people count in.

    Args:
        when: An open end is now.
        most: How many steps the caller has room for, at least 1.
        shortest_seconds: No step is shorter; 60 for what is counted per minute.
        first_ns: Time of the oldest data, used where the range has no start.
    """
    now_ns = time.time_ns()
    end_ns = min(when.end_ns, now_ns + NS_PER_SECOND)
    start_ns = when.start_ns or (first_ns if first_ns is not None else end_ns - 3600 * NS_PER_SECOND)
    start_ns = min(start_ns, end_ns)
    allowed = [seconds for seconds in STEPS_SECONDS if seconds >= shortest_seconds]
    wanted = (end_ns - start_ns) / NS_PER_SECOND / max(most, 1)
    seconds = next((seconds for seconds in allowed if seconds >= wanted), 0)
    while not seconds or _count(start_ns, end_ns, seconds * NS_PER_SECOND) > max(most, 1):
        longer = [one for one in allowed if one > seconds]
        seconds = longer[0] if longer and seconds else max(seconds * 2, allowed[-1])
    step_ns = seconds * NS_PER_SECOND
    return Steps(start_ns // step_ns * step_ns, step_ns, _count(start_ns, end_ns, step_ns))


def _count(start_ns: int, end_ns: int, step_ns: int) -> int:
    return max(-(-end_ns // step_ns) - start_ns // step_ns, 1)
