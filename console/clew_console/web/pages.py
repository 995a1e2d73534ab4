"""What each page shows: read the store, return a template's name and values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from clew_console.api.parameters import ParameterError
from clew_console.api.tempo import parse_trace_id
from clew_console.query.error import QueryError
from clew_console.query.logql import LogQuery, Matcher, parse_logql
from clew_console.query.traceql import parse_traceql
from clew_console.search.logs import LogLine, find_logs
from clew_console.search.overview import service_counts
from clew_console.search.summary import TraceSummary
from clew_console.search.trace import find_trace
from clew_console.search.traces import TimeRange, find_traces
from clew_console.store.directory import Directory
from clew_console.web.colours import service_colours
from clew_console.web.time_range import RANGES, range_name, time_range
from clew_console.web.waterfall import waterfall

TRACES = 50
RECENT_TRACES = 12
LINES = 200
TRACE_LINES = 1000
ALL_SERVICES = '{service_name=~".+"}'


@dataclass(frozen=True, slots=True)
class Page:
    """A template with its values, and the status to send it with."""

    template: str
    values: dict[str, Any] = field(default_factory=dict)
    code: int = 200


Answer = Callable[[Directory, Request], Page]


def overview(directory: Directory, request: Request) -> Page:
    """Services with their counts, and the newest traces."""
    chosen = range_name(request.query_params)
    when = time_range(chosen)
    services = service_counts(directory, when.start_ns)
    traces = [one.summary for one in find_traces(directory, None, when, RECENT_TRACES)]
    colours = service_colours(one.service for one in services)
    return Page("overview.html", {**_ranges(chosen), "services": services, "colours": colours, **_bars(traces)})


def traces(directory: Directory, request: Request) -> Page:
    """Traces with a span that matches the TraceQL query `q`."""
    chosen, query = range_name(request.query_params), request.query_params.get("q", "").strip()
    values: dict[str, Any] = {**_ranges(chosen), "query": query, "limit": TRACES}
    try:
        found = find_traces(directory, parse_traceql(query or "{}"), time_range(chosen), TRACES)
    except QueryError as error:
        return Page("traces.html", {**values, **_explained(error)}, 400)
    summaries = [one.summary for one in found]
    matched = {one.summary.trace_id: one.matched for one in found}
    colours = service_colours(service for one in summaries for service in one.services)
    return Page("traces.html", {**values, **_bars(summaries), "matched": matched, "colours": colours})


def trace(directory: Directory, request: Request) -> Page:
    """One trace as a waterfall, each span with its log lines."""
    try:
        trace_id = parse_trace_id(request.path_params["trace_id"])
    except ParameterError as error:
        return Page("missing.html", {"message": str(error)}, 400)
    spans = find_trace(directory, trace_id)
    lines = _logs_of(directory, trace_id)
    if not spans and not lines:
        return Page("missing.html", {"message": f"No span and no log line of trace {trace_id.hex()} has come."}, 404)
    by_span = dict[str, list[LogLine]]()
    for line in lines:
        by_span.setdefault(line.labels.get("span_id", ""), []).append(line)
    rows = waterfall(spans, by_span)
    colours = service_colours([*(row.service for row in rows), *(line.service for line in lines)])
    values = {"trace_id": trace_id.hex(), "rows": rows, "lines": lines, "colours": colours}
    total_ns = max((row.after_ns + row.duration_ns for row in rows), default=0)
    return Page("trace.html", {**values, "total_ns": total_ns, "errors": sum(row.is_error for row in rows)})


def _logs_of(directory: Directory, trace_id: bytes) -> list[LogLine]:
    query = LogQuery((), (Matcher("trace_id", "=", trace_id.hex()),))
    return find_logs(directory, query, TimeRange(), TRACE_LINES, newest_first=False)


def logs(directory: Directory, request: Request) -> Page:
    """Log lines that match the LogQL query `query`, the newest first."""
    chosen, query = range_name(request.query_params), request.query_params.get("query", "").strip()
    values: dict[str, Any] = {**_ranges(chosen), "query": query, "all_services": ALL_SERVICES, "limit": LINES}
    try:
        lines = find_logs(directory, parse_logql(query or ALL_SERVICES), time_range(chosen), LINES)
    except QueryError as error:
        return Page("logs.html", {**values, **_explained(error)}, 400)
    return Page("logs.html", {**values, "lines": lines, "colours": service_colours(line.service for line in lines)})


def _ranges(chosen: str) -> dict[str, Any]:
    return {"ranges": RANGES, "range": chosen}


def _bars(traces: Sequence[TraceSummary]) -> dict[str, Any]:
    """The newest trace first, with the longest duration, of which each bar is a share."""
    ordered = sorted(traces, key=lambda one: one.start_ns, reverse=True)
    return {"traces": ordered, "longest_ns": max((one.duration_ns for one in ordered), default=0) or 1}


def _explained(error: QueryError) -> dict[str, str]:
    """Split what is wrong from what is supported."""
    wrong, _, supported = str(error).partition(" Supported: ")
    return {"wrong": wrong, "supported": supported}
