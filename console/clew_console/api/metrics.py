"""Metrics, in a shape of the console's own."""

from itertools import islice

from starlette.requests import Request

from clew_console.api.parameters import ParameterError, limit, range_in_seconds
from clew_console.api.reply import Reply, json_reply
from clew_console.search.metrics import find_points, metric_names
from clew_console.store.directory import Directory

MAX_POINTS = 10_000


def names(directory: Directory, request: Request) -> Reply:
    """`GET /api/metrics` -> `{"metrics": [{"name", "unit", "type", "services"}]}`."""
    del request
    return json_reply({"metrics": metric_names(directory)})


def points(directory: Directory, request: Request) -> Reply:
    """`GET /api/metrics/points?name&service&start&end&limit` -> points, the newest first; times in seconds."""
    return json_reply({"points": list(_found(directory, request))})


def exemplars(directory: Directory, request: Request) -> Reply:
    """`GET /api/metrics/exemplars?name&service&start&end&limit` -> those of the points, each once."""
    found = dict[tuple[object, ...], object]()
    for point in _found(directory, request):
        for exemplar in point["exemplars"]:
            key = (exemplar["trace_id"], exemplar["span_id"], exemplar["time_ns"], exemplar["value"])
            found[key] = exemplar | {"service": point["resource"]["service_name"], "point": point["attributes"]}
    return json_reply({"exemplars": list(found.values())})


def _found(directory: Directory, request: Request) -> islice:
    parameters = request.query_params
    name = parameters.get("name")
    if not name:
        raise ParameterError("name must be given: a metric's OpenTelemetry name; GET /api/metrics lists them")
    count = limit(parameters, 1000, MAX_POINTS)
    service = parameters.get("service") or None
    return islice(find_points(directory, name, service, range_in_seconds(parameters), count), count)
