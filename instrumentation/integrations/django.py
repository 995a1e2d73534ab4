"""Django under WSGI and ASGI: wrap a handler in place, find the route and the exception of a request."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from django.core import signals  # pyright: ignore[reportMissingTypeStubs] Django has none

from instrumentation.integrations.asgi import EXCEPTION, METRICS_PATH, ASGIApp, FindRoute, Receive, Scope, Send
from instrumentation.integrations.wsgi import Environ, FindWsgiRoute, WSGIApp

Around = Callable[[WSGIApp, FindWsgiRoute, Callable[[], bool]], WSGIApp]
"""Takes an application, how its routes are found, and whether it serves `/metrics` itself."""
AroundAsgi = Callable[[ASGIApp, FindRoute, Mapping[str, object], Callable[[], bool]], ASGIApp]
"""Likewise; the third are marks for the scope."""

_exceptions: Any = signals.got_request_exception  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_MARK = "_instrumented_by_clew"
_ROUTE = "instrumentation.route"


def is_wrapped(app: object) -> bool:
    """Tell whether a handler is wrapped."""
    return hasattr(type(app), _MARK)


def wrap(app: Any, around: Around) -> Callable[[], None]:
    """Put the kit around a WSGI handler, whose class becomes a subclass made for it; returns what undoes it."""
    original: Any = app.__class__
    outer = around(original.__call__.__get__(app), find_route, _serves_metrics)

    def call(self: Any, environ: Environ, start_response: Any) -> Any:
        del self
        return outer(environ, start_response)

    def get_response(self: Any, request: Any) -> Any:
        response = original.get_response(self, request)
        _note_route(request)
        return response

    return _retype(app, {"__call__": call, "get_response": get_response})


def wrap_asgi(app: Any, around: AroundAsgi) -> Callable[[], None]:
    """Put the kit around an ASGI handler, likewise."""
    original: Any = app.__class__
    outer = around(original.__call__.__get__(app), find_route, {}, _serves_metrics)

    async def call(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
        del self
        await outer(scope, receive, send)

    async def get_response_async(self: Any, request: Any) -> Any:
        response = await original.get_response_async(self, request)
        _note_route(request)
        return response

    return _retype(app, {"__call__": call, "get_response_async": get_response_async})


def _retype(app: Any, members: dict[str, object]) -> Callable[[], None]:
    original: Any = app.__class__
    named = {_MARK: True, "__module__": original.__module__}
    wrapped = app.__class__ = type(original.__name__, (original,), {**members, **named})
    _exceptions.connect(_note_exception, weak=False, dispatch_uid=_MARK)

    def undo() -> None:
        _exceptions.disconnect(dispatch_uid=_MARK)
        if type(app) is wrapped:
            app.__class__ = original

    return undo


def find_route(of_request: Mapping[str, Any]) -> str | None:
    """Return the pattern of the request, those of includes before it; `path()` leaves its slash at the front out."""
    route: str | None = of_request.get(_ROUTE)
    return route if route is None or route.startswith("^") else f"/{route}"


def _of_request(request: Any) -> dict[str, Any]:
    """Return what the kit and the handler both hold of a request: ASGI's scope, or WSGI's environ."""
    return request.scope if hasattr(request, "scope") else request.environ


def _note_route(request: Any) -> None:
    match = request.resolver_match
    if match is not None:
        _of_request(request)[_ROUTE] = match.route


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
        _of_request(request)[EXCEPTION] = sys.exc_info()[1]
