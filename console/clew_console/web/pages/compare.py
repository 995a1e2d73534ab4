"""Compare two traces of the same operation, span by span."""

from typing import Any

from clew_console.api.parameters import ParameterError
from clew_console.search.summary import TraceSummary, summaries
from clew_console.search.time_range import TimeRange
from clew_console.web.page import Page, View
from clew_console.web.pages.trace import is_settled, load
from clew_console.web.pages.traces import bars
from clew_console.web.selection import with_roots
from clew_console.web.trace_alignment import align
from clew_console.web.waterfall import waterfall

AROUND_NS = 3600 * 10**9
"""Others are looked for this long before and after."""
OFFERED = 12


def page(view: View) -> Page:
    """Trace `a` beside trace `b`; without `b` the others to choose from."""
    try:
        first = load(view, view.text("a"))
        second = load(view, view.text("b")) if view.text("b") else None
    except ParameterError as error:
        return Page("missing.html", {"message": str(error)}, 400)
    if not first.spans or (second is not None and not second.spans):
        return Page("missing.html", {"message": "One of the traces has no span here."}, 404)
    summary = summaries(view.directory, [bytes.fromhex(first.trace_id)])[0]
    values: dict[str, Any] = {"a": first, "b": second, "left": waterfall(first.spans, {}), "others": []}
    values["is_settled"] = is_settled(first, *([second] if second else []))
    if second is None:
        return Page("compare.html", {**values, **bars(_offered(view, summary)), "summary": summary})
    right = waterfall(second.spans, {})
    rows = align(values["left"], right)
    largest = max((abs(one.difference_ns or 0) for one in rows), default=0) or 1
    return Page("compare.html", {**values, "right": right, "rows": rows, "largest": largest, "summary": summary})


def _offered(view: View, summary: TraceSummary) -> list[TraceSummary]:
    """Return others with the same root: the fastest, those in the middle, the slowest, in this order."""
    when = TimeRange(max(summary.start_ns - AROUND_NS, 0), summary.start_ns + AROUND_NS)
    root = (summary.root.service or "", summary.root.name or "")
    found = [one for one in with_roots(view.directory, when, [root]) if one.trace_id != summary.trace_id]
    found.sort(key=lambda one: one.duration_ns)
    step = max(len(found) // OFFERED, 1)
    return found[::step][:OFFERED]
