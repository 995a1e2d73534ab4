"""Starlette: wrap an application in place, and find the full route template of a request."""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, cast
from weakref import WeakSet

from starlette.applications import Starlette
from starlette.routing import compile_path

from instrumentation.integrations.asgi import OBSERVED, ASGIApp, Receive, Scope, Send

Expand = Callable[[Iterable[Any]], Iterable[Any]]
"""Turns a list of routes into one whose members have a `path`, flattening what a framework nests by other means."""

_MARK = "_instrumented_by_clew"
_PLAIN = "_plain_for_clew"
MAX_REBUILDS = 64
"""How often the index is built again for endpoints it does not know, since routes may be added while serving."""


def wrap(app: Starlette, around: Callable[[ASGIApp], ASGIApp]) -> Callable[[], None]:
    """Make every call of `app` go through `around(app's own __call__)`.

    The application object stays the one that servers and tests hold: its class becomes a subclass made for it.

    Returns:
        A function that gives the application its class back.
    """
    original = type(app)
    # What `wrap_when_called` has put there costs a wrapped application nothing.
    plain = getattr(original.__call__, _PLAIN, original.__call__)
    outer = around(plain.__get__(app))

    # A static method: no frame stands between the server and it, and whoever asks sees that it is a coroutine function.
    call = outer if inspect.iscoroutinefunction(outer) else outer.__call__
    members = {
        "__call__": staticmethod(call),
        _MARK: True,
        "__module__": original.__module__,
        "__qualname__": original.__qualname__,
    }
    wrapped = type(original.__name__, (original,), members)
    retyped: Any = app  # a subclass made at run time is none that a type checker can know
    retyped.__class__ = wrapped

    def undo() -> None:
        if type(app) is wrapped:
            retyped.__class__ = original

    return undo


def is_wrapped(app: Starlette) -> bool:
    """Tell whether `wrap` was applied to the application."""
    return hasattr(type(app), _MARK)


def wrap_new(base: type[Starlette], instrument: Callable[[Starlette], None]) -> Callable[[], None]:
    """Call `instrument` with every application of this class, or one derived from it, right after it is made.

    Returns:
        A function that undoes it.
    """
    original = base.__init__

    def initialise(self: Starlette, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        instrument(self)

    base.__init__ = functools.wraps(original)(initialise)

    def undo() -> None:
        base.__init__ = original

    return undo


def wrap_when_called(base: type[Starlette], instrument: Callable[[Starlette], None]) -> Callable[[], None]:
    """Call `instrument` with an application of this class when it is first called, made before or after.

    An application within one that is observed is left alone: its requests are the outer one's.

    Returns:
        A function that undoes it.
    """
    original = base.__call__
    seen: WeakSet[Starlette] = WeakSet()

    async def call(self: Starlette, scope: Scope, receive: Receive, send: Send) -> None:
        if OBSERVED not in scope and not is_wrapped(self) and self not in seen:
            seen.add(self)
            instrument(self)
            if is_wrapped(self):
                await self(scope, receive, send)
                return
        await original(self, scope, receive, send)

    setattr(call, _PLAIN, original)
    base.__call__ = functools.wraps(original)(call)

    def undo() -> None:
        base.__call__ = original

    return undo


def as_they_are(routes: Iterable[Any]) -> Iterable[Any]:
    """Expand nothing: Starlette's own routes have their path."""
    return routes


class RouteIndex:
    """Finds the template of a handled request by the endpoint that the router put into its scope.

    `scope["route"]` alone misses the prefixes of `include_router` and of mounts. An endpoint that stands under several
    templates is told apart by its path.

    Args:
        app: Application whose routes are looked at.
        expand: See `Expand`.
    """

    def __init__(self, app: Starlette, expand: Expand) -> None:
        self._app = app
        self._expand = expand
        # By id, since some endpoints cannot be hashed; the endpoint itself is kept, so that its id is not used again.
        self._templates: dict[int, tuple[object, list[str]]] = {}
        self._rebuilds = 0

    def __call__(self, scope: Scope) -> str | None:
        """Return the template, such as `/orders/{order_id}`; None if no route matched."""
        endpoint = scope.get("endpoint")
        if endpoint is None:
            return None
        known = self._templates.get(id(endpoint))
        templates = self._learn(endpoint) if known is None else known[1]
        if len(templates) == 1:
            return templates[0]
        return _matching(templates, scope) if templates else None

    def serves(self, path: str) -> bool:
        """Tell whether a route stands under exactly this path."""
        return any(template == path for _, template in self._walk(self._app.routes, ""))

    def _learn(self, endpoint: object) -> list[str]:
        if self._rebuilds < MAX_REBUILDS:
            self._rebuilds += 1
            found: dict[int, tuple[object, list[str]]] = {}
            for known, template in self._walk(self._app.routes, ""):
                found.setdefault(id(known), (known, []))[1].append(template)
            self._templates = found
        return self._templates.setdefault(id(endpoint), (endpoint, []))[1]

    def _walk(self, routes: Iterable[Any], prefix: str) -> Iterable[tuple[object, str]]:
        for route in self._expand(routes):
            path = getattr(route, "path", None)
            original = getattr(route, "original_route", route)
            children = getattr(original, "routes", None)
            if path is None:  # Host: no path of its own
                yield from self._walk(children or (), prefix)
            elif children:
                yield from self._walk(cast("Iterable[Any]", children), prefix + path)
            elif (endpoint := getattr(route, "endpoint", None)) is not None:
                yield endpoint, prefix + path
            elif (mounted := getattr(original, "app", None)) is not None and not hasattr(mounted, "routes"):
                yield mounted, f"{prefix}{path}/{{path}}"


def _matching(templates: list[str], scope: Scope) -> str:
    path: str = scope["path"]
    root: str = scope.get("app_root_path", scope.get("root_path", ""))
    if root and path.startswith(root):
        path = path[len(root) :]
    return next((template for template in templates if compile_path(template)[0].match(path)), templates[0])
