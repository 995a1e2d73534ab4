"""Log lines counted over time."""

from collections import Counter
from dataclasses import dataclass

from clew_console.query.logql import LogQuery
from clew_console.search.logs import find_logs
from clew_console.search.steps import Steps, steps
from clew_console.search.traces import TimeRange
from clew_console.store.directory import Directory

MOST_STEPS = 120
MAX_LINES = 100_000


@dataclass(frozen=True, slots=True)
class LogHistogram:
    """Per step how many lines of which detected_level; `is_complete` is False when only the newest were counted."""

    steps: Steps
    counts: tuple[dict[str, int], ...]
    is_complete: bool = True


def log_histogram(directory: Directory, query: LogQuery, when: TimeRange, most_steps: int = MOST_STEPS) -> LogHistogram:
    """Count the matching lines per step and level."""
    lines = find_logs(directory, query, when, MAX_LINES)
    cut = steps(when, most_steps, first_ns=lines[-1].time_ns if lines else None)
    counts = [Counter[str]() for _ in range(cut.count)]
    for line in lines:
        index = cut.index(line.time_ns)
        if 0 <= index < cut.count:
            counts[index][line.level] += 1
    return LogHistogram(cut, tuple(dict(one) for one in counts), len(lines) < MAX_LINES)
