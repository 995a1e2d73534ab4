"""Flask: wrap an application's `wsgi_app`, the seam it documents; find the route and the exception of a request."""

from collections.abc import Callable
from typing import Any

import flask
from flask.signals import got_request_exception

from instrumentation.integrations.asgi import EXCEPTION, METRICS_PATH
from instrumentation.integrations.wsgi import Environ, FindWsgiRoute, WSGIApp, WsgiMiddleware

Around = Callable[[WSGIApp, FindWsgiRoute, Callable[[], bool]], WSGIApp]
"""Takes an application, how its routes are found, and whether it serves `/metrics` itself."""


def is_wrapped(app: flask.Flask) -> bool:
    """Tell whether `wrap` was applied to the application."""
    return isinstance(app.wsgi_app, WsgiMiddleware)


def wrap(app: flask.Flask, around: Around) -> Callable[[], None]:
    """Put the kit around the application; returns what undoes it, unless somebody has put more around it since."""
    original = app.wsgi_app
    changeable: Any = app
    wrapped = changeable.wsgi_app = around(original, find_route, lambda: _serves_metrics(app))
    got_request_exception.connect(_note_exception, app)

    def undo() -> None:
        got_request_exception.disconnect(_note_exception, app)
        if app.wsgi_app is wrapped:
            changeable.wsgi_app = original

    return undo


def find_route(environ: Environ) -> str | None:
    """Return the rule of the request that is being handled, prefixes of blueprints included."""
    del environ
    rule = flask.request.url_rule if flask.has_request_context() else None
    return None if rule is None else rule.rule


def _serves_metrics(app: flask.Flask) -> bool:
    return any(rule.rule == METRICS_PATH for rule in app.url_map.iter_rules())


def _note_exception(sender: flask.Flask, exception: BaseException, **extra: object) -> None:
    del sender, extra
    flask.request.environ[EXCEPTION] = exception
