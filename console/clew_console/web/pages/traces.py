"""Search for traces: a query, their durations over time, groups, the list."""

from collections.abc import Sequence
from typing import Any

from clew_console.query.error import QueryError
from clew_console.query.traceql import KIND, STATUS, Comparison, Condition, parse_left, parse_traceql
from clew_console.search.groups import Groups, trace_groups
from clew_console.search.ranking import failing_traces, slowest_traces
from clew_console.search.scatter import Dot, trace_scatter
from clew_console.search.steps import Steps
from clew_console.search.summary import TraceSummary, summaries
from clew_console.search.traces import find_traces
from clew_console.web.charts.plot import Plot, scatter_plot
from clew_console.web.links import guessed_literal, joined, traceql_attribute
from clew_console.web.page import Page, View, explained
from clew_console.web.text import clock_text, duration_text

LISTED = 60
DOTS = 600
GROUPS = 30
INTRINSICS = ("resource.service.name", "name", "status", "kind")
FAILED = Comparison("intrinsic", "status", "=", STATUS["error"])
ORDERS = {"newest": "newest", "slowest": "slowest", "errors": "most errors"}
LISTED_AS = {"newest": "newest", "slowest": "slowest", "errors": "with most errors"}
EXAMPLES = (
    ("Failed", "{ status = error }"),
    ("Slow", "{ duration > 250ms }"),
    ("From a queue", "{ kind = consumer }"),
    ("By route", '{ span.http.route =~ "/orders.*" }'),
)


def page(view: View) -> Page:
    """Traces with a span that matches the TraceQL query `q`."""
    query, by = view.text("q"), view.text("by")
    order = view.text("order") if view.text("order") in ORDERS else "newest"
    values = {"query": query, "by": by, "order": order, "orders": ORDERS, "listed_as": LISTED_AS, "offered": INTRINSICS}
    values |= {"examples": EXAMPLES, "limit": LISTED, "dots": []}
    try:
        condition = parse_traceql(query or "{}")
        groups = _groups(view, condition, by) if by else Groups([], is_complete=True)
        found = find_traces(view.directory, condition, view.period.times, LISTED)
    except QueryError as error:
        return Page("traces.html", {**values, "traces": [], **explained(error)}, 400)
    dots = trace_scatter(view.directory, condition, view.period.times, DOTS)
    values |= {"dots": dots, "scatter": _scatter(view, dots, _failed(view)), "is_cut": len(dots) == DOTS}
    values |= {"groups": [(one, narrowed(query, _condition(by, one.value))) for one in groups.groups]}
    values["groups_are_complete"] = groups.is_complete
    matched = {one.summary.trace_id: one.matched for one in found} if query and order == "newest" else {}
    listed, is_complete = _ordered(view, condition, [one.summary for one in found], order)
    return Page("traces.html", {**values, "matched": matched, "is_complete": is_complete, **bars(listed)})


def _groups(view: View, condition: Condition | None, by: str) -> Groups:
    return trace_groups(view.directory, condition, view.period.times, parse_left(by), GROUPS)


def _condition(by: str, value: str | None) -> str:
    """Return the comparison that finds the spans of a group; "" for those without the attribute."""
    left = parse_left(by)
    if value is None:
        return ""
    if left.scope != "intrinsic":
        return f"{traceql_attribute('' if left.scope == 'any' else left.scope, left.key)} = {guessed_literal(value)}"
    return f"{left.key} = {value if value in STATUS | KIND else guessed_literal(value, is_text=True)}"


def _failed(view: View) -> set[bytes]:
    """Return the traces with a failed span, wherever in them it is."""
    return {one.trace_id for one in trace_scatter(view.directory, FAILED, view.period.times, DOTS)}


def narrowed(query: str, condition: str) -> str:
    """Return the query with one more condition; "" where there is nothing to add."""
    inner = query.strip().removeprefix("{").removesuffix("}").strip()
    if not condition:
        return ""
    return joined(f"({inner})" if "||" in inner else inner, condition)


def bars(traces: Sequence[TraceSummary]) -> dict[str, Any]:
    """Return the traces with the longest duration, of which each bar is a share."""
    return {"traces": traces, "longest_ns": max((one.duration_ns for one in traces), default=0) or 1}


def _ordered(
    view: View, condition: Condition | None, newest: list[TraceSummary], order: str
) -> tuple[list[TraceSummary], bool]:
    """Return the newest, the slowest, or those with most failed spans; and whether all of the time was looked at."""
    newest = sorted(newest, key=lambda one: -one.start_ns)
    if order == "newest":
        return newest, True
    rank = slowest_traces if order == "slowest" else failing_traces
    ranking = rank(view.directory, condition, view.period.times, LISTED)
    found = summaries(view.directory, ranking.trace_ids)
    if order == "slowest":
        return sorted(found, key=lambda one: -one.duration_ns), ranking.is_complete
    found += [one for one in newest if one.trace_id not in set(ranking.trace_ids)]  # where few fail
    return sorted(found, key=lambda one: (-one.errors, -one.start_ns))[:LISTED], ranking.is_complete


def _scatter(view: View, dots: Sequence[Dot], failed: set[bytes]) -> Plot:
    when: Steps = view.period.steps()
    points = [
        (one.start_ns, max(float(one.duration_ns), 1.0), *_told(view, one, one.is_error or one.trace_id in failed))
        for one in sorted(dots, key=lambda one: one.trace_id in failed)
        if when.start_ns <= one.start_ns < when.end_ns
    ]
    return scatter_plot(when, points, duration_text, view.zone)


def _told(view: View, one: Dot, is_failed: bool) -> tuple[str, str, str]:
    """Return address, title and colour of a dot."""
    title = f"{one.name} of {one.service} {duration_text(one.duration_ns)} at {clock_text(one.start_ns, view.zone)}"
    return f"/trace/{one.trace_id.hex()}", title + (", failed" if is_failed else ""), "bad" if is_failed else "accent"
