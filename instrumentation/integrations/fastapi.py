"""FastAPI: flatten its nested routers, and keep its own telemetry from doubling ours."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi import routing as fastapi_routing

_DEFAULT_TELEMETRY = getattr(FastAPI(), "_telemetry", None)


def expand(routes: Iterable[Any]) -> Iterable[Any]:
    """Flatten included routers to routes with their full path; older versions copy them, prefixed, when including."""
    flatten = getattr(fastapi_routing, "iter_route_contexts", None)
    return routes if flatten is None else flatten(list(routes))


def is_fastapi(app: object) -> bool:
    """Tell whether the application is FastAPI's."""
    return isinstance(app, FastAPI)


def has_own_telemetry(app: FastAPI) -> bool:
    """Tell whether the application was made with `telemetry=`: then its requests are its own to observe."""
    return getattr(app, "_telemetry", None) != _DEFAULT_TELEMETRY
