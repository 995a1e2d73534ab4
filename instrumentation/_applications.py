"""Web applications: recognise each kind, and put something around it in place."""

import importlib
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from instrumentation.importing import when_imported

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from instrumentation.integrations.asgi import ASGIApp, FindRoute
    from instrumentation.integrations.wsgi import FindWsgiRoute, WSGIApp


class Framework(NamedTuple):
    """A framework whose applications can be wrapped in place.

    Attributes:
        module: Where its application class is.
        name: Of that class.
        integration: Module with `is_wrapped(app)` and `wrap(app, around)` or `wrap_asgi(app, around)`.
        is_asgi: Whether it is the latter.
    """

    module: str
    name: str
    integration: str
    is_asgi: bool = False


FRAMEWORKS = (
    Framework("flask", "Flask", "instrumentation.integrations.flask"),
    Framework("django.core.handlers.wsgi", "WSGIHandler", "instrumentation.integrations.django"),
    Framework("django.core.handlers.asgi", "ASGIHandler", "instrumentation.integrations.django", is_asgi=True),
)
"""Starlette and FastAPI are no part of it: their applications have more to tell."""


class Surround(Protocol):
    """What is put around applications."""

    def prepare(self) -> None:
        """Import what is put around them."""
        ...

    def surround_asgi(
        self, inner: "ASGIApp", find_route: "FindRoute", marks: Mapping[str, object], serves_metrics: Callable[[], bool]
    ) -> "ASGIApp":
        """Return what serves in the place of an application; `serves_metrics`: whether it has `/metrics` itself."""
        ...

    def surround_wsgi(
        self, inner: "WSGIApp", find_route: "FindWsgiRoute", serves_metrics: Callable[[], bool]
    ) -> "WSGIApp":
        """Return what serves in the place of an application."""
        ...


class Applications:
    """Wraps applications, and gives them back.

    Args:
        surround: What is put around them.
        tell: Takes a key and a message for people.
    """

    def __init__(self, surround: Surround, tell: Callable[[str, str], None]) -> None:
        self._surround = surround
        self._tell = tell
        self._undos: list[Callable[[], None]] = []
        self._asked: list[object] = []

    def undo(self) -> list[object]:
        """Give all back as they were; return those that `wrap` was called with."""
        while self._undos:
            self._undos.pop()()
        asked, self._asked = self._asked, []
        return asked

    def wrap(self, app: object) -> None:
        """Wrap an application of FastAPI, Starlette, Flask or Django in place; if it is already, it stays so."""
        if not any(app is other for other in self._asked):
            self._asked.append(app)
        framework = _framework_of(app)
        if framework is None:
            self._wrap_starlette(cast("Starlette", app))
            return
        integration = importlib.import_module(framework.integration)
        if integration.is_wrapped(app):
            return
        if framework.is_asgi:
            self._undos.append(integration.wrap_asgi(app, self._surround.surround_asgi))
        else:
            self._undos.append(integration.wrap(app, self._surround.surround_wsgi))

    def wrap_new(self) -> None:
        """Wrap every application that is made from now on, for code that cannot call us."""
        for module, name in (("starlette.applications", "Starlette"), ("fastapi", "FastAPI")):
            self._undos.append(when_imported(module, partial(self._wrap_new_starlette, module, name)))
        for framework in FRAMEWORKS:
            self._undos.append(when_imported(framework.module, partial(self._wrap_new, framework)))

    def wrap_fastapi_when_called(self) -> None:
        """Wrap FastAPI applications that nobody handed to us, when they are first called."""
        self._undos.append(when_imported("fastapi", self._wrap_fastapi_when_called))

    def _wrap_starlette(self, app: "Starlette") -> None:
        starlette = importlib.import_module("instrumentation.integrations.starlette")
        if starlette.is_wrapped(app):
            return
        expand: Any = starlette.as_they_are
        marks: Mapping[str, None] = {}
        if "fastapi" in sys.modules:
            fastapi = importlib.import_module("instrumentation.integrations.fastapi")
            if fastapi.is_fastapi(app):
                if fastapi.has_own_telemetry(app):
                    self._tell("fastapi", "an app made with telemetry= observes its requests itself")
                    return
                expand = fastapi.expand
                marks = importlib.import_module("instrumentation.integrations.asgi").FASTAPI_MARKS
        index = starlette.RouteIndex(app, expand)
        serves_metrics = index.serves("/metrics")

        def around(inner: "ASGIApp") -> "ASGIApp":
            return self._surround.surround_asgi(inner, index, marks, lambda: serves_metrics)

        self._undos.append(starlette.wrap(app, around))

    def _wrap_fastapi_when_called(self) -> None:
        self._surround.prepare()  # a first request would wait for it
        starlette = importlib.import_module("instrumentation.integrations.starlette")
        importlib.import_module("instrumentation.integrations.fastapi")
        self._undos.append(starlette.wrap_when_called(sys.modules["fastapi"].FastAPI, self.wrap))

    def _wrap_new_starlette(self, module: str, name: str) -> None:
        self._surround.prepare()
        starlette = importlib.import_module("instrumentation.integrations.starlette")
        if module == "fastapi":  # it makes an application to learn the defaults from, which must not be wrapped
            importlib.import_module("instrumentation.integrations.fastapi")
        self._undos.append(starlette.wrap_new(getattr(sys.modules[module], name), self.wrap))

    def _wrap_new(self, framework: Framework) -> None:
        kind: Any = getattr(sys.modules[framework.module], framework.name)
        original = kind.__init__

        def initialise(app: object, *args: Any, **options: Any) -> None:
            original(app, *args, **options)
            self.wrap(app)

        def undo() -> None:
            kind.__init__ = original

        kind.__init__ = initialise
        self._undos.append(undo)


def application(target: object) -> object:
    """Return what `wrap` takes.

    Raises:
        TypeError: it takes no such thing; the message names what to do instead.
    """
    if target is None or _framework_of(target) is not None:
        return target
    if "starlette.applications" in sys.modules:
        starlette = sys.modules["starlette.applications"].Starlette
        if isinstance(target, starlette):
            return target
    kind = f"{type(target).__module__}.{type(target).__qualname__}"
    raise TypeError(
        f"instrument() takes an application of FastAPI, Starlette, Flask or Django, not {kind}; "
        "for a plain ASGI callable use: app = instrument().asgi(app), for a plain WSGI callable: instrument().wsgi(app)"
    )


def _framework_of(app: object) -> Framework | None:
    """Return the framework whose application it is, without importing any."""
    for framework in FRAMEWORKS:
        kind = getattr(sys.modules.get(framework.module), framework.name, None)
        if kind is not None and isinstance(app, kind):
            return framework
    return None
