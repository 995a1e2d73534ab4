"""Log lines: a query, their number over time, the lines, and what was written around one of them."""

from urllib.parse import urlencode

from clew_console.query.error import QueryError
from clew_console.query.logql import LogQuery, parse_logql
from clew_console.search.log_histogram import LogHistogram, log_histogram
from clew_console.search.logs import find_logs
from clew_console.search.time_range import MAX_TIME_NS, TimeRange
from clew_console.store.log_block import LEVELS
from clew_console.web.charts.plot import Plot, Series, bar_plot
from clew_console.web.links import ALL_SERVICES, quoted
from clew_console.web.log_row import LogRow, log_row
from clew_console.web.page import Page, View, explained
from clew_console.web.text import number_text

LINES = 200
BARS = 75
AROUND = 25
"""Lines before and after the one that is looked at."""
LEVEL_FILTERS = {
    "all": "",
    "info and above": ' | detected_level=~"info|warn|error|fatal"',
    "warnings": ' | detected_level=~"warn|error|fatal"',
    "errors": ' | detected_level=~"error|fatal"',
}


def page(view: View) -> Page:
    """Log lines that match the LogQL query `query`, the newest first; with `around` those around one line."""
    query = view.text("query")
    level = next((name for name, ending in LEVEL_FILTERS.items() if ending and query.endswith(ending)), "all")
    base = query.removesuffix(LEVEL_FILTERS[level])
    values = {"query": query, "base": base or ALL_SERVICES, "level": level, "levels": LEVEL_FILTERS}
    values |= {"all_services": ALL_SERVICES, "limit": LINES}
    try:
        parsed = parse_logql(query or ALL_SERVICES)
    except QueryError as error:
        return Page("logs.html", {**values, "lines": [], "around": "", **explained(error)}, 400)
    around = view.text("around")
    if around.isascii() and around.isdigit() and len(around) < 20:
        lines = _around(view, parsed, int(around))
        return Page("logs.html", {**values, "lines": lines, "around": around, "total": len(lines)})
    found = find_logs(view.directory, parsed, view.period.times, LINES)
    counts = log_histogram(view.directory, parsed, TimeRange(view.period.start_ns, view.period.end_ns), BARS)
    total = sum(sum(step.values()) for step in counts.counts)
    lines = [log_row(one) for one in found]
    return Page(
        "logs.html", {**values, "lines": lines, "around": "", "total": total, "chart_of_lines": _chart(view, counts)}
    )


def _around(view: View, query: LogQuery, time_ns: int) -> list[LogRow]:
    """Return the lines before and after a time, newest first."""
    before = TimeRange(0, min(time_ns + 1, MAX_TIME_NS))
    after = TimeRange(min(time_ns + 1, MAX_TIME_NS), MAX_TIME_NS)
    earlier = find_logs(view.directory, query, before, AROUND + 1)
    later = find_logs(view.directory, query, after, AROUND, newest_first=False)
    return [log_row(one, time_ns) for one in (*reversed(later), *earlier)]


def around_line(line: LogRow) -> str:
    """Return the address of the lines that the same process wrote around this one."""
    instance = line.labels.get("service_instance_id")
    own = f", service_instance_id={quoted(instance)}" if instance else ""
    query = f"{{service_name={quoted(line.service)}{own}}}"
    return f"/logs?{urlencode({'query': query, 'around': str(line.time_ns)})}#target"


def _chart(view: View, histogram: LogHistogram) -> Plot:
    """Stack the levels, the gravest at the bottom where their heights compare best."""
    levels = {level for step in histogram.counts for level in step}
    order = [level for level in (*reversed(LEVELS), "unknown") if level in levels]
    series = [Series(level, [step.get(level, 0) for step in histogram.counts], f"level-{level}") for level in order]
    return bar_plot(histogram.steps, series, number_text, view.zone)
