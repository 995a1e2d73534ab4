"""Logs in the shape of Loki's HTTP API.

Source: https://grafana.com/docs/loki/latest/reference/loki-http-api/
"""

from starlette.requests import Request

from clew_console.api.parameters import ParameterError, limit, range_in_loki_times
from clew_console.api.reply import Reply, json_reply
from clew_console.query.logql import parse_logql
from clew_console.search.logs import LogLine, find_logs, label_values
from clew_console.store.directory import Directory

MAX_LINES = 5000


def query_range(directory: Directory, request: Request) -> Reply:
    """`GET /loki/api/v1/query_range?query&start&end&limit&direction`: the last hour and 100 lines unless told."""
    parameters = request.query_params
    direction = parameters.get("direction", "backward").lower()
    if direction not in {"backward", "forward"}:
        raise ParameterError(f"direction must be backward or forward, not {direction!r}")
    query = parse_logql(parameters.get("query", ""))
    when = range_in_loki_times(parameters)
    lines = find_logs(directory, query, when, limit(parameters, 100, MAX_LINES), newest_first=direction == "backward")
    return json_reply({"status": "success", "data": {"resultType": "streams", "result": _streams(lines)}})


def _streams(lines: list[LogLine]) -> list[dict[str, object]]:
    streams = dict[tuple[tuple[str, str], ...], list[list[str]]]()
    for line in lines:
        key = tuple(sorted(line.labels.items()))
        streams.setdefault(key, []).append([str(line.time_ns), line.body])
    return [{"stream": dict(labels), "values": values} for labels, values in streams.items()]


def labels(directory: Directory, request: Request) -> Reply:
    """`GET /loki/api/v1/labels`: the names a selector can use."""
    del request
    return json_reply({"status": "success", "data": sorted(label_values(directory))})


def values(directory: Directory, request: Request) -> Reply:
    """`GET /loki/api/v1/label/{name}/values`."""
    found = label_values(directory).get(request.path_params["name"], set())
    return json_reply({"status": "success", "data": sorted(found)})
