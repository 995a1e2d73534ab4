"""Django under WSGI: wrap a handler in place, find the route and the exception of a request."""

import importlib
import sys
from collections.abc import Callable
from typing import Any

from django.core import signals  # pyright: ignore[reportMissingTypeStubs] Django has none

from instrumentation.integrations.asgi import METRICS_PATH
from instrumentation.integrations.wsgi import EXCEPTION, Environ, FindWsgiRoute, WSGIApp

Around = Callable[[WSGIApp, FindWsgiRoute, Callable[[], bool]], WSGIApp]
"""Takes an application, how its routes are found, and whether it serves `/metrics` itself."""

_exceptions: Any = signals.got_request_exception  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_MARK = "_instrumented_by_clew"
_ROUTE = "instrumentation.route"


def is_wrapped(app: object) -> bool:
    """Tell whether `wrap` was applied to the handler."""
    return hasattr(type(app), _MARK)


def wrap(app: Any, around: Around) -> Callable[[], None]:
    """Put the kit around the handler, whose class becomes a subclass made for it; returns what undoes it."""
    original: Any = app.__class__
    outer = around(original.__call__.__get__(app), find_route, _serves_metrics)

    def call(self: Any, environ: Environ, start_response: Any) -> Any:
        del self
        return outer(environ, start_response)

    def get_response(self: Any, request: Any) -> Any:
        response = original.get_response(self, request)
        match = request.resolver_match
        if match is not None:
            request.environ[_ROUTE] = match.route
        return response

    members = {"__call__": call, "get_response": get_response, _MARK: True, "__module__": original.__module__}
    wrapped = app.__class__ = type(original.__name__, (original,), members)
    _exceptions.connect(_note_exception, weak=False, dispatch_uid=_MARK)

    def undo() -> None:
        _exceptions.disconnect(dispatch_uid=_MARK)
        if type(app) is wrapped:
            app.__class__ = original

    return undo


def find_route(environ: Environ) -> str | None:
    """Return the pattern of the request, those of includes before it; `path()` leaves its slash at the front out."""
    route: str | None = environ.get(_ROUTE)
    return route if route is None or route.startswith("^") else f"/{route}"


def _serves_metrics() -> bool:
    urls: Any = importlib.import_module("django.urls")  # not at the top: needs settings
    try:
        urls.resolve(METRICS_PATH)
    except urls.Resolver404:
        return False
    return True


def _note_exception(sender: object, **details: Any) -> None:
    del sender
    request = details.get("request")
    if request is not None:
        request.META[EXCEPTION] = sys.exc_info()[1]
