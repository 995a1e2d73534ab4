"""From when to when there is data."""

from clew_console.query.logql import parse_logql
from clew_console.search.logs import find_logs
from clew_console.search.overview import overview
from clew_console.search.time_range import TimeRange
from clew_console.search.traces import find_traces
from clew_console.store.directory import Directory

_ALL_LINES = parse_logql('{service_name=~".+"}')


def newest_ns(directory: Directory) -> int | None:
    """Return the time of the newest span or log line; None while there is none."""
    lines = find_logs(directory, _ALL_LINES, TimeRange(), 1)
    traces = find_traces(directory, None, TimeRange(), 1)
    return max([*(line.time_ns for line in lines), *(one.summary.start_ns for one in traces)], default=None)


def extent(directory: Directory) -> tuple[int, int] | None:
    """Return the first and the last time of any span or log line in ns; None while there is none."""
    last_ns = newest_ns(directory)
    if last_ns is None:
        return None
    lines = find_logs(directory, _ALL_LINES, TimeRange(), 1, newest_first=False)
    first_ns = overview(directory, TimeRange(end_ns=last_ns), most_steps=200).steps.start_ns
    return min([first_ns, last_ns, *(line.time_ns for line in lines)]), last_ns
