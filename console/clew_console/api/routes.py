"""The read API's addresses, and how its errors are answered."""

import logging
import sqlite3
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from clew_console.api import analysis, loki, metrics, tempo
from clew_console.api.parameters import ParameterError
from clew_console.api.reply import Reply, json_reply
from clew_console.api.run_paths import asked
from clew_console.query.error import QueryError
from clew_console.search.reader import MAX_QUERY_SECONDS
from clew_console.store.directory import Directory
from clew_console.store.writer import Writer

logger = logging.getLogger(__name__)

_PATHS: dict[str, Callable[[Directory, Request], Reply]] = {
    "/api/traces/{trace_id}": tempo.trace_by_id,
    "/api/search": tempo.search,
    "/api/search/scatter": analysis.get_scatter,
    "/api/search/groups": analysis.get_groups,
    "/api/search/compare": analysis.get_compare,
    "/api/overview": analysis.get_overview,
    "/api/map": analysis.get_map,
    "/api/logs/histogram": analysis.get_log_histogram,
    "/api/metrics/series": analysis.get_series,
    "/api/metrics": metrics.names,
    "/api/metrics/points": metrics.points,
    "/api/metrics/exemplars": metrics.exemplars,
    "/loki/api/v1/query_range": loki.query_range,
    "/loki/api/v1/labels": loki.labels,
    "/loki/api/v1/label/{name}/values": loki.values,
}


def api_routes(writer: Writer) -> list[Route]:
    """Return the routes of the read API."""
    routes = [Route(path, _endpoint(answer)) for path, answer in _PATHS.items()]
    return [Route("/healthz", partial(_health, writer)), *routes]


async def _health(writer: Writer, request: Request) -> Reply:
    del request
    return json_reply(
        {
            "status": "ok",
            "written_rows": writer.written_rows,
            "dropped_rows": writer.dropped_rows,
            "queued_bytes": writer.queued_bytes,
            "refused_requests": writer.refused_requests,
            "pruned_segments": writer.pruned_segments,
        }
    )


def _endpoint(answer: Callable[[Directory, Request], Reply]) -> Callable[[Request], Coroutine[Any, Any, Reply]]:
    async def endpoint(request: Request) -> Reply:
        try:
            return await run_in_threadpool(answer, asked(request).directory, request)
        except (QueryError, ParameterError) as error:
            return _failure(400, str(error))
        except sqlite3.OperationalError as error:
            return _failure(503, read_failure(error))

    return endpoint


def read_failure(error: sqlite3.OperationalError) -> str:
    """Say why the store could not answer."""
    if "interrupted" in str(error):
        return f"the query took longer than {MAX_QUERY_SECONDS:.0f} s and was stopped; narrow its time range"
    logger.error("cannot read the store: %s", error)
    return f"the store cannot be read: {error}"


def _failure(code: int, message: str) -> Reply:
    return json_reply(
        {"status": "error", "errorType": "bad_data" if code == 400 else "timeout", "error": message}, code
    )
