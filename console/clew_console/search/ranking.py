"""The slowest traces, and those with most failed spans: of all in the time, not of the newest alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from heapq import nlargest

from clew_console.query.traceql import STATUS, Comparison, Condition
from clew_console.search.scan import Budget, scan
from clew_console.search.summary import root_of
from clew_console.search.time_range import TimeRange
from clew_console.store.directory import Directory

BUDGET_SECONDS = 1.0
"""For one answer, which then leaves the oldest out."""
SPARE = 100
_FAILED = Comparison("intrinsic", "status", "=", STATUS["error"])


@dataclass(frozen=True, slots=True)
class Ranking:
    """Ids of traces, the first rank first; `is_complete` is False when only the newest spans were looked at."""

    trace_ids: Sequence[bytes]
    is_complete: bool


def slowest_traces(directory: Directory, condition: Condition | None, when: TimeRange, limit: int) -> Ranking:
    """Return the traces whose longest matching span took longest, the slowest first."""
    longest = Longest(limit)
    budget, root = Budget(BUDGET_SECONDS), partial(root_of, directory)
    for hit in scan(directory, condition, when, root, budget, longest.is_full_above):
        durations = hit.block.durations
        for position in hit.positions:
            if not longest.is_full_above(durations[position]):
                longest.add(hit.block.trace_id(position), durations[position])
    return Ranking(longest.keys(), not budget.is_spent)


class Longest:
    """The `limit` keys with the longest durations."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._durations_ns = dict[bytes, int]()
        self._threshold_ns = 0

    def is_full_above(self, duration_ns: int) -> bool:
        """Tell whether so many took longer that this one does not count."""
        return duration_ns < self._threshold_ns

    def add(self, key: bytes, duration_ns: int) -> None:
        """Take a key."""
        self._durations_ns[key] = max(duration_ns, self._durations_ns.get(key, 0))
        if len(self._durations_ns) > 2 * self._limit + SPARE:
            self._durations_ns = dict(self._largest())
            self._threshold_ns = min(self._durations_ns.values())

    def _largest(self) -> list[tuple[bytes, int]]:
        return nlargest(self._limit, self._durations_ns.items(), key=lambda item: item[1])

    def keys(self) -> list[bytes]:
        """Return the keys, the longest first."""
        return [key for key, _ in self._largest()]


def failing_traces(directory: Directory, condition: Condition | None, when: TimeRange, limit: int) -> Ranking:
    """Return the traces with most failed spans of those with a matching span; none without a failed span."""
    budget, failed = Budget(BUDGET_SECONDS), Counter[bytes]()
    for hit in scan(directory, _FAILED, when, None, budget):
        failed.update(map(hit.block.trace_id, hit.positions))
    ordered = [trace_id for trace_id, _ in failed.most_common()]
    if condition is not None and ordered:
        matching = set[bytes]()
        for hit in scan(directory, condition, when, partial(root_of, directory), budget):
            matching.update(map(hit.block.trace_id, hit.positions))
        ordered = [trace_id for trace_id in ordered if trace_id in matching]
    return Ranking(ordered[:limit], not budget.is_spent)
