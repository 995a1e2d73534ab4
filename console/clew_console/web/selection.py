"""Which traces a comparison is about, and which others they are compared with."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from clew_console.query.traceql import Comparison, Condition, Junction, parse_traceql
from clew_console.search.summary import TraceSummary
from clew_console.search.time_range import TimeRange
from clew_console.search.traces import find_traces
from clew_console.store.directory import Directory
from clew_console.web.page import View

MOST = 300
"""Traces of each side; the newest."""
MAX_ROOTS = 3
SLOW_SHARE = 0.95
MODES = {"failing": "failing", "slow": "slow", "query": "a query"}

Root = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a page was asked to compare.

    Attributes:
        root: "service name" of the root span; "" for any.
        least_ns, most_ns: Only traces that took as long.
        since_ns, until_ns: Only traces that started then; the others come from the whole time of the page.
    """

    mode: str
    query: str
    root: str
    least_ns: int
    most_ns: int
    since_ns: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Both sides. `threshold_ns` is from where a trace counts as slow."""

    selected: list[TraceSummary]
    others: list[TraceSummary]
    roots: list[tuple[str, int]]
    threshold_ns: int | None = None


def choice(view: View) -> Choice:
    """Read the parameters; a query or a box decides the mode where none is given."""
    query = view.text("q")
    numbers = [_milliseconds(view.text(name)) for name in ("least", "most", "since", "until")]
    has_box = any(number is not None for number in numbers)
    mode = view.text("mode") if view.text("mode") in MODES else "query" if query or has_box else "failing"
    least, most, since, until = (number if number is not None else 0 for number in numbers)
    return Choice(mode, query, view.text("root"), least, most or 1 << 62, since, until or 1 << 62)


def _milliseconds(text: str) -> int | None:
    return min(int(text[:15]), 1 << 42) * 10**6 if text.isascii() and text.isdigit() else None


def select(directory: Directory, when: TimeRange, asked: Choice) -> Selection:
    """Find both sides; others are traces with the same root operations, for like is compared with like.

    Raises:
        QueryError: the query is outside of the subset.
    """
    if asked.mode == "slow":
        return _slow(directory, when, asked)
    query = "{ status = error }" if asked.mode == "failing" else asked.query or "{}"
    found = [one.summary for one in find_traces(directory, parse_traceql(query), when, MOST)]
    roots = _roots(found)
    selected = [one for one in found if _is_in(one, asked)]
    return Selection(selected, _others(directory, when, selected), roots)


def _slow(directory: Directory, when: TimeRange, asked: Choice) -> Selection:
    """Take the slowest twentieth of one root operation: the one asked for, or the one with most time spent."""
    newest = [one.summary for one in find_traces(directory, None, when, 2 * MOST)]
    roots = _roots(newest)
    spent = Counter[str]()
    for one in newest:
        spent[root_text(one)] += one.duration_ns
    root = asked.root or next((name for name, _ in spent.most_common(1)), "")
    pool = with_roots(directory, when, [_root(one) for one in newest if root_text(one) == root][:1])
    durations = sorted(one.duration_ns for one in pool)
    threshold_ns = durations[int(SLOW_SHARE * len(durations))] if durations else None
    slow = [one for one in pool if threshold_ns is not None and one.duration_ns >= threshold_ns]
    others = [one for one in pool if one not in slow]
    return Selection(slow, others, roots, threshold_ns)


def _is_in(one: TraceSummary, asked: Choice) -> bool:
    in_box = asked.least_ns <= one.duration_ns <= asked.most_ns and asked.since_ns <= one.start_ns < asked.until_ns
    return in_box and asked.root in {"", root_text(one)}


def root_text(one: TraceSummary) -> str:
    """Return service and name of the root."""
    return f"{one.root.service or '?'} {one.root.name or '?'}"


def _root(one: TraceSummary) -> Root:
    return (one.root.service or "", one.root.name or "")


def _roots(traces: Sequence[TraceSummary]) -> list[tuple[str, int]]:
    return Counter(root_text(one) for one in traces).most_common(20)


def _others(directory: Directory, when: TimeRange, selected: Sequence[TraceSummary]) -> list[TraceSummary]:
    roots = [root for root, _ in Counter(_root(one) for one in selected).most_common(MAX_ROOTS)]
    chosen = {one.trace_id for one in selected}
    return [one for one in with_roots(directory, when, roots) if one.trace_id not in chosen]


def with_roots(directory: Directory, when: TimeRange, roots: Sequence[Root]) -> list[TraceSummary]:
    """Return traces with one of these roots. Name and service are exact in SQL, so no span is decoded for it."""
    if not roots:
        return []
    parts: list[Condition] = [
        Junction(
            "&&", (Comparison("intrinsic", "name", "=", name), Comparison("resource", "service.name", "=", service))
        )
        for service, name in roots
    ]
    condition = parts[0] if len(parts) == 1 else Junction("||", tuple(parts))
    found = (one.summary for one in find_traces(directory, condition, when, MOST + MOST // 2))
    return [one for one in found if _root(one) in roots][:MOST]
