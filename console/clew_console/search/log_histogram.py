"""Log lines counted over time."""

from collections import Counter
from dataclasses import dataclass

from clew_console.query.logql import LogQuery
from clew_console.search.log_scan import scan_logs
from clew_console.search.scan import Budget
from clew_console.search.steps import NS_PER_SECOND, Steps, steps
from clew_console.search.time_range import TimeRange
from clew_console.store.directory import Directory

MOST_STEPS = 120
BUDGET_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class LogHistogram:
    """Per step how many lines of which detected_level; `is_complete` is False when only the newest were counted."""

    steps: Steps
    counts: tuple[dict[str, int], ...]
    is_complete: bool = True


def log_histogram(directory: Directory, query: LogQuery, when: TimeRange, most_steps: int = MOST_STEPS) -> LogHistogram:
    """Count the matching lines per step and level."""
    budget, counted = Budget(BUDGET_SECONDS), Counter[tuple[int, str]]()
    for hit in scan_logs(directory, query, when, stop=budget):
        labels = [hit.matcher.head_labels(head)["detected_level"] for head in hit.block.heads]
        head, times = hit.block.head, hit.block.times
        counted.update((times[one] // NS_PER_SECOND, labels[head[one]]) for one in hit.positions)
    cut = steps(when, most_steps, first_ns=_first_ns(counted))
    counts = [Counter[str]() for _ in range(cut.count)]
    for (second, level), count in counted.items():
        index = cut.index(second * NS_PER_SECOND)
        if 0 <= index < cut.count:
            counts[index][level] += count
    return LogHistogram(cut, tuple(dict(one) for one in counts), not budget.is_spent)


def _first_ns(counted: Counter[tuple[int, str]]) -> int | None:
    return min((second * NS_PER_SECOND for second, _ in counted), default=None)
