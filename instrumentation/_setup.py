"""Compose the kit: one call wires the process, and an application if one is given."""

import asyncio
import importlib
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from instrumentation import _frameworks, _providers
from instrumentation._exit import at_exit
from instrumentation._exports import Discard, Exports, Identity
from instrumentation.diagnostics import Diagnostics
from instrumentation.export import scrape
from instrumentation.guard import Guard
from instrumentation.importing import when_imported
from instrumentation.integrations import process
from instrumentation.integrations.asgi import FASTAPI_MARKS, ASGIApp, AsgiMiddleware, FindRoute, no_route
from instrumentation.integrations.contrib import ALL, OURS, Contrib, normalised
from instrumentation.integrations.wsgi import FindWsgiRoute, WSGIApp, WsgiMiddleware, no_wsgi_route
from instrumentation.sampling import sampler
from instrumentation.settings import Settings
from instrumentation.signals.console import render_console
from instrumentation.signals.ecs import EcsRender
from instrumentation.signals.log import LogEmitter, Render
from instrumentation.signals.metric import MetricStore
from instrumentation.signals.signals import Signals
from instrumentation.signals.span import SpanSettings

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from instrumentation.sdk.plug import Plugs

INTEGRATIONS = {
    "logging": "instrumentation.integrations.logging",
    "structlog": "instrumentation.integrations.structlog",
    "httpx": "instrumentation.integrations.httpx",
    "grpc": "instrumentation.integrations.grpc",
    "faststream": "instrumentation.integrations.faststream",
    "sqlalchemy": "instrumentation.integrations.sqlalchemy",
    "threading": "instrumentation.integrations.threads",
    "anyio": "instrumentation.integrations.anyio",
}
"""Library, and the module whose `install(signals)` instruments it once the library is imported."""

SERVED = ("asgi", "starlette", "fastapi", "wsgi", "flask", "django")
"""Frameworks that the kit observes from the outside, by wrapping the application."""

_active: list["Telemetry"] = []
"""The one set-up of this process, if it is on: OpenTelemetry's globals allow no second."""


class Telemetry:
    """A running set-up of the kit; made by `instrument`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._diagnostics = Diagnostics(settings.diagnostics_level)
        for warning in settings.warnings:
            self._diagnostics.always(warning)
        self._undos: list[Callable[[], None]] = []
        self._stop_by: float | None = None
        self._store = MetricStore()
        self._identity = Identity(settings, self._detected())
        self._exports = Exports(settings, self._store, self._identity, self._diagnostics)
        self._guard = Guard(self._diagnostics)
        self._plugs = self._plug_in()
        self._signals = self._make_signals()
        self._process = process.register(self._store)
        self._wire()

    def asgi(self, app: ASGIApp) -> ASGIApp:
        """Wrap a plain ASGI application; its routes are unknown, so metrics and spans have no `http.route`."""
        return AsgiMiddleware(app, self._signals, _Hooks(self, serves_metrics=False), no_route, FASTAPI_MARKS)

    def wsgi(self, app: WSGIApp) -> WSGIApp:
        """Wrap a plain WSGI application; its routes are unknown, so metrics and spans have no `http.route`."""
        return self._around_wsgi(app, no_wsgi_route, lambda: False)

    def flush(self, timeout: float = 5.0) -> bool:
        """Deliver everything that is queued.

        Args:
            timeout: Seconds to wait at most, all signals together.

        Returns:
            Whether everything was delivered in time.
        """
        stop_by = monotonic() + timeout
        is_done = self._exports.flush(timeout)
        return (self._plugs is None or self._plugs.flush(max(0.0, stop_by - monotonic()))) and is_done

    def shutdown(self, timeout: float | None = None) -> bool:
        """Deliver everything for the last time. Later records are dropped and counted; a second call waits as well.

        Args:
            timeout: Seconds to wait at most, all signals together; default `CLEW_SHUTDOWN_TIMEOUT`, 5.

        Returns:
            Whether everything was delivered in time.
        """
        seconds = self._seconds_left() if timeout is None else timeout
        stop_by = monotonic() + seconds
        is_done = self._exports.shutdown(seconds)
        if self._plugs is not None:
            is_done = self._plugs.flush(max(0.0, stop_by - monotonic())) and is_done
            self._plugs.shutdown()
        return is_done

    def uninstrument(self) -> None:
        """Give every library, logger and application back as it was, then shut down."""
        while self._undos:
            self._undos.pop()()
        if self in _active:
            _active.remove(self)
            _providers.point_at(None, None, None)
        self.shutdown()

    def ledger(self) -> dict[str, Any]:
        """Return what became of every record, by signal.

        `accepted = delivered + queued + sum(dropped.values())` holds at any moment, for `traces`, `logs`, `metrics` and
        `lines` (on stdout).
        """
        return self._exports.books().as_dict()

    def wrap(self, app: object) -> None:
        """Instrument an application in place, of FastAPI, Starlette, Flask or Django; if it is already, it stays so."""
        framework = _frameworks.wsgi_framework(app)
        if framework is None:
            self._wrap_asgi(cast("Starlette", app))
        elif not framework.is_wrapped(app):
            self._undos.append(framework.wrap(app, self._around_wsgi))

    def _around_wsgi(self, app: WSGIApp, find_route: FindWsgiRoute, serves_metrics: Callable[[], bool]) -> WSGIApp:
        def scrape_page(accept: str) -> tuple[bytes, str] | None:
            return None if serves_metrics() else self.page(accept)

        return app if _providers.has_foreign_tracers() else WsgiMiddleware(app, self._signals, find_route, scrape_page)

    def _wrap_asgi(self, app: "Starlette") -> None:
        starlette = importlib.import_module("instrumentation.integrations.starlette")
        if starlette.is_wrapped(app):
            return
        expand: Any = starlette.as_they_are
        marks: Mapping[str, None] = {}
        if "fastapi" in sys.modules:
            fastapi = importlib.import_module("instrumentation.integrations.fastapi")
            if fastapi.is_fastapi(app):
                if fastapi.has_own_telemetry(app):
                    self._diagnostics.line("fastapi", "an app made with telemetry= observes its requests itself")
                    return
                expand, marks = fastapi.expand, FASTAPI_MARKS
        index = starlette.RouteIndex(app, expand)
        hooks = _Hooks(self, serves_metrics=index.serves("/metrics"))

        def around(inner: ASGIApp) -> ASGIApp:
            return self._middleware(inner, hooks, index, marks)

        self._undos.append(starlette.wrap(app, around))

    def wrap_new_applications(self) -> None:
        """Instrument every application that is made from now on, for code that cannot call us."""
        for module, name in (("starlette.applications", "Starlette"), ("fastapi", "FastAPI")):
            self._undos.append(when_imported(module, partial(self._wrap_class, module, name)))
        for framework in _frameworks.WSGI_FRAMEWORKS:
            self._undos.append(when_imported(framework.module, partial(self._wrap_wsgi_class, framework)))

    def _wrap_wsgi_class(self, framework: _frameworks.Framework) -> None:
        self._undos.append(_frameworks.wrap_new_wsgi(framework, self.wrap))

    def _wrap_fastapi_when_called(self) -> None:
        """Instrument applications that nobody handed to us: else FastAPI's own telemetry would feed our providers."""
        starlette = importlib.import_module("instrumentation.integrations.starlette")
        importlib.import_module("instrumentation.integrations.fastapi")
        self._undos.append(starlette.wrap_when_called(sys.modules["fastapi"].FastAPI, self.wrap))

    def _wrap_class(self, module: str, name: str) -> None:
        starlette = importlib.import_module("instrumentation.integrations.starlette")
        if module == "fastapi":  # it makes an application to learn the defaults from, which must not be wrapped
            importlib.import_module("instrumentation.integrations.fastapi")
        self._undos.append(starlette.wrap_new(getattr(sys.modules[module], name), self.wrap))

    def _middleware(
        self, inner: ASGIApp, hooks: "_Hooks", find_route: FindRoute, marks: Mapping[str, object]
    ) -> ASGIApp:
        if _providers.has_foreign_tracers():
            return inner
        return AsgiMiddleware(inner, self._signals, hooks, find_route, marks)

    def _make_signals(self) -> Signals:
        settings = self.settings
        plugs, records = self._plugs, self._exports.logs
        if plugs is not None and plugs.takes_logs:
            records = plugs.logs(records or Discard())
        spans = SpanSettings(
            self._exports.traces if plugs is None else plugs.traces(self._exports.traces),
            sampler(settings.sampler, settings.sampler_ratio),
            max_attributes=settings.span_attribute_count_limit,
            max_events=settings.span_event_count_limit,
            max_links=settings.span_link_count_limit,
            max_value_characters=settings.span_attribute_value_length_limit,
            start_span=None if plugs is None else plugs.start_span(),
        )
        logs = LogEmitter(
            str(self._identity.attributes()["service.name"]),
            records,
            self._exports.lines,
            render=self._render(),
            max_value_characters=settings.log_attribute_value_length_limit,
        )
        _providers.claim(self._diagnostics, settings.propagators)
        _providers.point_at(spans, self._store, logs)
        return Signals(settings, _providers.TRACERS, self._store, logs, self._guard)

    def _plug_in(self) -> "Plugs | None":
        """Import OpenTelemetry's SDK if something of it is used; else it stays out of the process."""
        if not self.settings.uses_sdk:
            return None
        try:
            plug = importlib.import_module("instrumentation.sdk.plug")
        except ImportError as error:
            self._diagnostics.always(f"exporters, processors and samplers need opentelemetry-sdk ({error}); left out")
            return None
        attributes, families = self._identity.attributes, self._exports.families
        return plug.Plugs(self.settings, attributes, families, self._guard, self._diagnostics.always)

    def _detected(self) -> Mapping[str, Any]:
        names = self.settings.resource_detectors
        if not names:
            return {}
        try:
            return importlib.import_module("instrumentation.sdk.named").detected(names, self._diagnostics.always)
        except ImportError as error:
            self._diagnostics.always(f"resource detectors need opentelemetry-sdk ({error}); left out")
            return {}

    def _render(self) -> Render | None:
        """Choose the form of lines; None is the default one, JSON."""
        form = self.settings.log_format
        if form == "ecs":
            return EcsRender(self._identity.attributes)
        pretty = form in ("pretty", "console") or (form == "auto" and sys.stdout.isatty())
        return render_console if pretty else None

    def _wire(self) -> None:
        self._undos.append(self._process.undo)
        disabled = {normalised(name) for name in self.settings.disabled_instrumentations}
        for library, module in INTEGRATIONS.items():
            if find_spec(library) is not None and not disabled & {library, ALL, *_names_of(library)}:
                self._undos.append(when_imported(library, partial(self._install, library, module)))
        if self.settings.contrib and not _providers.has_foreign_tracers():
            contrib = Contrib((*INTEGRATIONS, *SERVED), disabled, self._guard, self._diagnostics.line)
            self._undos.append(contrib.undo)
            contrib.install(when_imported)
        self._undos.append(when_imported("fastapi", self._wrap_fastapi_when_called))
        self._undos.append(at_exit(self._shutdown_at_exit))
        if "prometheus" in self.settings.metrics.exporters:
            self._serve_metrics()

    def flush_before_exit(self) -> None:
        """Deliver what is queued when a server is about to stop; the shutdown that follows shares the deadline."""
        self.flush(self._seconds_left())

    def _seconds_left(self) -> float:
        """Return what is left of `CLEW_SHUTDOWN_TIMEOUT` since the process began to stop, at least 0.1."""
        now = monotonic()
        if self._stop_by is None:
            self._stop_by = now + self.settings.shutdown_seconds
        return max(0.1, self._stop_by - now)

    def _shutdown_at_exit(self) -> None:
        self.shutdown()

    def _install(self, library: str, module: str) -> None:
        try:
            self._undos.append(importlib.import_module(module).install(self._signals))
        except Exception as error:
            self._guard.caught(f"integration of {library}", error)

    def _serve_metrics(self) -> None:
        host, port = self.settings.prometheus_host, self.settings.prometheus_port
        server = scrape.serve(host, port, self.page, self._diagnostics.always)
        if server is not None:
            self._undos.append(server.shutdown)

    def page(self, accept: str) -> tuple[bytes, str]:
        """Render `/metrics`: body and content type."""
        return scrape.render(self._store, self._identity.attributes(), accept)

    def server_started(self) -> None:
        """Watch the event loop that runs now."""
        self._stop_by = None
        self._process.start_loop_monitor()


class _Hooks:
    """What the ASGI wrapper asks of the set-up."""

    def __init__(self, telemetry: Telemetry, *, serves_metrics: bool) -> None:
        self._telemetry = telemetry
        self._serves_metrics = serves_metrics

    async def scrape(self, accept: str) -> tuple[bytes, str] | None:
        """Return the body and content type of `/metrics`, rendered off the event loop."""
        if self._serves_metrics:
            return None
        return await asyncio.to_thread(self._telemetry.page, accept)

    async def started(self) -> None:
        """Adopt what the server set up after `instrument`."""
        self._telemetry.server_started()

    async def stopping(self) -> None:
        """Deliver what is queued while the server still waits for us."""
        await asyncio.to_thread(self._telemetry.flush_before_exit)


class _Off(Telemetry):
    """The set-up of a process in which `OTEL_SDK_DISABLED` is true: emits nothing, changes nothing."""

    def __init__(self, settings: Settings) -> None:  # pyright: ignore[reportMissingSuperCall] there is nothing to set up
        self.settings = settings

    def asgi(self, app: ASGIApp) -> ASGIApp:
        return app

    def wsgi(self, app: WSGIApp) -> WSGIApp:
        return app

    def flush(self, timeout: float = 5.0) -> bool:
        return True

    def shutdown(self, timeout: float | None = None) -> bool:
        return True

    def uninstrument(self) -> None:
        if self in _active:
            _active.remove(self)

    def ledger(self) -> dict[str, Any]:
        return {}

    def wrap(self, app: object) -> None:
        return

    def wrap_new_applications(self) -> None:
        return


def instrument(
    target: object = None, /, *, service_name: str | None = None, settings: Settings | None = None
) -> Telemetry:
    """Wire logs, metrics and traces of this process, and of an application if one is given.

    Calling it again is safe: the process stays as it was wired first, and the application is instrumented too.

    Args:
        target: An application of FastAPI, Starlette, Flask or Django (its WSGI handler), instrumented in place.
        service_name: `service.name`; goes before `OTEL_SERVICE_NAME`.
        settings: Instead of what the environment says.

    Raises:
        TypeError: `target` is neither None nor such an application.
        ValueError: A setting given in code is out of its range.
    """
    app = _application(target)
    if not _active:
        if settings is None:
            settings = Settings.from_env(service_name=service_name)
        elif service_name is not None:
            raise ValueError("give the service's name in settings or as service_name, not in both")
        _active.append(_Off(settings) if settings.disabled else Telemetry(settings))
    if app is not None:
        _active[0].wrap(app)
    return _active[0]


def instrument_process() -> None:
    """Wire a process that does not call `instrument` itself, for `clew run`."""
    instrument().wrap_new_applications()


def _names_of(library: str) -> set[str]:
    """Return the names by which OpenTelemetry's own instrumentations know a library of the kit."""
    return {name for name, ours in OURS.items() if ours == library}


def _application(target: object) -> object:
    if target is None or _frameworks.wsgi_framework(target) is not None:
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
