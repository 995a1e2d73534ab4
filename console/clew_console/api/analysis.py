"""What the pages draw, as JSON: overview, map, dots, groups, what changed, histograms, series.

The shapes are the dataclasses of `clew_console.search`, field by field; ids are hex, times ns since 1970.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from starlette.requests import Request

from clew_console.api.parameters import ParameterError, limit, range_in_loki_times, range_in_seconds
from clew_console.api.reply import Reply, json_reply
from clew_console.query.logql import parse_logql
from clew_console.query.traceql import Condition, parse_left, parse_traceql
from clew_console.search import attribute_compare, groups, log_histogram, metric_series, overview, scatter, service_map
from clew_console.store.directory import Directory


def get_overview(directory: Directory, request: Request) -> Reply:
    """`GET /api/overview?start&end&steps`."""
    when, most = range_in_seconds(request.query_params), _steps(request, overview.MOST_STEPS)
    return _reply(overview.overview(directory, when, most))


def get_map(directory: Directory, request: Request) -> Reply:
    """`GET /api/map?start&end`."""
    return _reply(service_map.service_map(directory, range_in_seconds(request.query_params)))


def get_scatter(directory: Directory, request: Request) -> Reply:
    """`GET /api/search/scatter?q&start&end&limit`."""
    parameters = request.query_params
    count = limit(parameters, scatter.MOST_DOTS, scatter.MOST_DOTS)
    return _reply({"dots": scatter.trace_scatter(directory, _condition(request), range_in_seconds(parameters), count)})


def get_groups(directory: Directory, request: Request) -> Reply:
    """`GET /api/search/groups?q&by&start&end&limit`; `by` is the left side of a TraceQL comparison."""
    parameters = request.query_params
    by, count = parse_left(parameters.get("by", "")), limit(parameters, groups.MOST_GROUPS, 1000)
    found = groups.trace_groups(directory, _condition(request), range_in_seconds(parameters), by, count)
    return _reply(found)


def get_compare(directory: Directory, request: Request) -> Reply:
    """`GET /api/search/compare?q&baseline&start&end&limit`: the traces that `q` finds against the others."""
    parameters = request.query_params
    baseline = parse_traceql(parameters["baseline"]) if parameters.get("baseline") else None
    count = limit(parameters, attribute_compare.MOST_ATTRIBUTES, 1000)
    when = range_in_seconds(parameters)
    return _reply(attribute_compare.attribute_compare(directory, _condition(request), when, baseline, count))


def get_log_histogram(directory: Directory, request: Request) -> Reply:
    """`GET /api/logs/histogram?query&start&end&steps`; times as in Loki."""
    query = parse_logql(request.query_params.get("query", ""))
    when, most = range_in_loki_times(request.query_params), _steps(request, log_histogram.MOST_STEPS)
    return _reply(log_histogram.log_histogram(directory, query, when, most))


def get_series(directory: Directory, request: Request) -> Reply:
    """`GET /api/metrics/series?name&function&quantile&by&start&end&steps`, and attributes as `label.KEY=VALUE`."""
    parameters = request.query_params
    function = parameters.get("function") or None
    if function not in {None, *metric_series.FUNCTIONS}:
        raise ParameterError(f"function must be one of {' '.join(metric_series.FUNCTIONS)}, not {function!r}")
    found = metric_series.metric_series(
        directory,
        parameters.get("name", ""),
        range_in_seconds(parameters),
        function,
        quantile=_quantile(parameters),
        group_by=[key for key in parameters.get("by", "").split(",") if key],
        filters=labels(parameters),
        most_steps=_steps(request, metric_series.MOST_STEPS),
    )
    return _reply(found)


def labels(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters `label.KEY` by KEY."""
    return {key.removeprefix("label."): value for key, value in parameters.items() if key.startswith("label.")}


def _condition(request: Request) -> Condition | None:
    return parse_traceql(request.query_params.get("q") or "{}")


def _steps(request: Request, most: int) -> int:
    return limit({"limit": request.query_params.get("steps", "")}, most, 1000)


def _quantile(parameters: Mapping[str, str]) -> float:
    try:
        value = float(parameters.get("quantile") or 0.95)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ParameterError("quantile must be a number from 0 to 1")
    return value


def _reply(found: object) -> Reply:
    return json_reply(plain(found))


def plain(value: Any) -> Any:
    """Return the dataclass as JSON has it."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value.hex() if isinstance(value, bytes) else value
