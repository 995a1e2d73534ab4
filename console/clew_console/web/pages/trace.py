"""One trace: the waterfall, and beside it all of one span."""

import time
from dataclasses import dataclass

from clew_console.api.parameters import ParameterError
from clew_console.api.tempo import parse_trace_id
from clew_console.query.logql import LogQuery, Matcher
from clew_console.search.logs import find_logs
from clew_console.search.time_range import TimeRange
from clew_console.search.trace import FoundSpan, find_trace
from clew_console.search.trace_exemplars import TraceExemplar, trace_exemplars
from clew_console.web.log_row import LogRow, log_row
from clew_console.web.page import Page, View
from clew_console.web.span_panel import SpanPanel, by_span, span_panel
from clew_console.web.waterfall import Waterfall, waterfall

MAX_LINES = 1000
EXEMPLAR_WINDOW_NS = 120 * 10**9
"""An exemplar is exported at most this much after the trace ended."""
AXIS_PARTS = 4
SETTLED_NS = 30 * 10**9


@dataclass(frozen=True, slots=True)
class Trace:
    """What is stored of a trace."""

    trace_id: str
    spans: list[FoundSpan]
    lines: list[LogRow]
    exemplars: list[TraceExemplar]

    def panel(self, span_id: str) -> SpanPanel | None:
        """Return the panel of a span; None for one that is not here."""
        found = next((one for one in self.spans if one.span.span_id.hex() == span_id), None)
        if found is None:
            return None
        logs = by_span(self.lines).get(span_id, [])
        exemplars = [one for one in self.exemplars if one.span_id == span_id]
        return span_panel(found, self.spans[0].span.start_time_unix_nano, logs, exemplars)


def page(view: View) -> Page:
    """One trace as a waterfall; the span of the parameter `span` is open, else the first that failed."""
    try:
        trace = load(view, view.path_parameters["trace_id"])
    except ParameterError as error:
        return Page("missing.html", {"message": str(error)}, 400)
    if not trace.spans and not trace.lines:
        return Page("missing.html", {"message": f"No span and no log line of trace {trace.trace_id} has come."}, 404)
    chart = waterfall(trace.spans, by_span(trace.lines))
    chosen = view.text("span")
    values = {"trace": trace, "chart": chart, "axis": _axis(chart), "is_chosen": bool(chosen)}
    values |= {"is_settled": is_settled(trace)}
    return Page("trace.html", {**values, "panel": trace.panel(chosen) or trace.panel(_default(chart))})


def span_panel_page(view: View) -> Page:
    """The panel of one span, to be put into the page of its trace."""
    try:
        trace = load(view, view.path_parameters["trace_id"])
    except ParameterError as error:
        return Page("missing.html", {"message": str(error)}, 400)
    panel = trace.panel(view.path_parameters["span_id"])
    if panel is None:
        return Page("missing.html", {"message": "This trace has no such span."}, 404)
    return Page("span.html", {"panel": panel, "trace": trace, "is_chosen": True})


def load(view: View, text: str) -> Trace:
    """Read a trace.

    Raises:
        ParameterError: the text is no trace id.
    """
    trace_id = parse_trace_id(text)
    spans = find_trace(view.directory, trace_id)
    query = LogQuery((), (Matcher("trace_id", "=", trace_id.hex()),))
    lines = [log_row(one) for one in find_logs(view.directory, query, TimeRange(), MAX_LINES, newest_first=False)]
    return Trace(trace_id.hex(), spans, lines, _exemplars(view, trace_id.hex(), spans))


def is_settled(*traces: Trace) -> bool:
    """Tell whether the traces are so old that no further span is to be expected."""
    since_ns = time.time_ns() - SETTLED_NS
    spans = [one.span for trace in traces for one in trace.spans]
    return bool(spans) and max(max(one.start_time_unix_nano, one.end_time_unix_nano) for one in spans) < since_ns


def _exemplars(view: View, trace_id: str, spans: list[FoundSpan]) -> list[TraceExemplar]:
    if not spans:
        return []
    start_ns = spans[0].span.start_time_unix_nano
    end_ns = max(one.span.end_time_unix_nano for one in spans) + EXEMPLAR_WINDOW_NS
    return trace_exemplars(view.directory, trace_id, TimeRange(start_ns, end_ns))


def _default(chart: Waterfall) -> str:
    """Return the span to open: the deepest of the first chain of failures, else the root."""
    failed = [row for row in chart.rows if row.is_error]
    if failed:
        return max(failed, key=lambda row: row.depth).span_id
    return chart.rows[0].span_id if chart.rows else ""


def _axis(chart: Waterfall) -> list[tuple[float, float]]:
    """Return place in percent and time in ns of each mark of the time axis."""
    return [(100 * part / AXIS_PARTS, chart.total_ns * part / AXIS_PARTS) for part in range(AXIS_PARTS + 1)]
