"""Compose the kit: one call wires the process, and an application if one is given."""

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

from instrumentation import _libraries, _providers
from instrumentation._applications import Applications, application
from instrumentation._exit import Doors
from instrumentation._exports import Discard, Exports, Identity, Outlets
from instrumentation.diagnostics import Diagnostics
from instrumentation.export.workers import Workers
from instrumentation.guard import Guard
from instrumentation.importing import when_imported
from instrumentation.integrations import process
from instrumentation.integrations.contrib import Contrib
from instrumentation.sampling import sampler
from instrumentation.settings import Settings
from instrumentation.signals.log import LogEmitter, Render, render_json
from instrumentation.signals.metric import MetricStore
from instrumentation.signals.passed import PassingTracers
from instrumentation.signals.signals import Signals
from instrumentation.signals.span import SpanSettings

if TYPE_CHECKING:
    from instrumentation._serving import Serving
    from instrumentation.export.scrape_server import ScrapeServer
    from instrumentation.integrations.asgi import ASGIApp, FindRoute
    from instrumentation.integrations.wsgi import FindWsgiRoute, WSGIApp
    from instrumentation.sdk.plug import Plugs

HASTE_SECONDS = 0.25
"""Longest time that SIGTERM holds up a server which goes on answering."""

_active: list["Telemetry"] = []
"""The one set-up of this process, if it is on: OpenTelemetry's globals allow no second."""


class Telemetry:
    """A running set-up of the kit; made by `instrument`.

    Attributes:
        settings: What it was made with.
    """

    def __init__(self, settings: Settings, outlets: Outlets | None = None) -> None:
        self.settings = settings
        self._diagnostics = Diagnostics(settings.diagnostics_level)
        for warning in settings.warnings:
            self._diagnostics.always(warning)
        self._undos: list[Callable[[], None]] = []
        self._stop_by: float | None = None
        self._scrape_server: ScrapeServer | None = None
        self._serving: Serving | None = None
        self._store = MetricStore()
        self._identity = Identity(settings, self._detected())
        self._exports = Exports(settings, self._store, self._identity, self._diagnostics, outlets)
        self._guard = Guard(self._diagnostics)
        self._plugs = self._plug_in()
        self._signals = self._make_signals()
        self._workers = self._among_workers()
        self._applications = Applications(self, self._diagnostics.line)
        self._wire()
        self._exports.after_fork(self._forget_parent)

    def asgi(self, app: "ASGIApp") -> "ASGIApp":
        """Wrap a plain ASGI application; its routes are unknown, so metrics and spans have no `http.route`."""
        return self._serves().plain_asgi(app)

    def wsgi(self, app: "WSGIApp") -> "WSGIApp":
        """Wrap a plain WSGI application; its routes are unknown, so metrics and spans have no `http.route`."""
        return self._serves().plain_wsgi(app)

    def flush(self, timeout: float = 5.0) -> bool:
        """Deliver everything that is queued.

        Args:
            timeout: Seconds to wait at most, all signals together.

        Returns:
            Whether everything was delivered in time.
        """
        return self._deliver(timeout, leaving=False)

    def _deliver(self, timeout: float, *, leaving: bool) -> bool:
        stop_by = monotonic() + timeout
        is_done = self._exports.flush(timeout, leaving=leaving)
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
        self.unwire()
        self.shutdown()
        if self._workers is not None:
            self._workers.leave()

    def unwire(self) -> list[object]:
        """Give every library, logger and application back as it was, but deliver on; return the applications."""
        applications = self._applications.undo()
        while self._undos:
            self._undos.pop()()
        if self in _active:
            _active.remove(self)
            _providers.point_at(None, None, None)
        return applications

    def rewire(self, applications: Iterable[object]) -> None:
        """Take up again what `unwire` gave back; nothing else may be wired meanwhile."""
        _active.append(self)
        self._point()
        self._wire()
        for app in applications:
            self.wrap(app)

    def ledger(self) -> dict[str, Any]:
        """Return what became of every record, by signal.

        `accepted = delivered + queued + sum(dropped.values())` holds at any moment, for `traces`, `logs`, `metrics` and
        `lines` (on stdout).
        """
        return self._exports.books().as_dict()

    def wrap(self, app: object) -> None:
        """Instrument an application in place, of FastAPI, Starlette, Flask or Django; if it is already, it stays so."""
        self._applications.wrap(app)

    def wrap_new_applications(self) -> None:
        """Instrument every application that is made from now on, for code that cannot call us."""
        self._applications.wrap_new()

    def prepare(self) -> None:
        """Import what surrounds applications, before the first request."""
        self._serves()

    def surround_asgi(
        self, inner: "ASGIApp", find_route: "FindRoute", marks: Mapping[str, object], serves_metrics: Callable[[], bool]
    ) -> "ASGIApp":
        """Return what observes an ASGI application; beside a foreign provider the application itself."""
        return self._serves().asgi(inner, find_route, marks, serves_metrics)

    def surround_wsgi(
        self, inner: "WSGIApp", find_route: "FindWsgiRoute", serves_metrics: Callable[[], bool]
    ) -> "WSGIApp":
        """Return what observes a WSGI application, likewise."""
        return self._serves().wsgi(inner, find_route, serves_metrics)

    def _serves(self) -> "Serving":
        if self._serving is None:
            from instrumentation._serving import Serving  # noqa: PLC0415 see there

            self._serving = Serving(self, self._signals, self._exports, self._identity, self._workers)
        return self._serving

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
            redact=settings.redact,
            start_span=None if plugs is None else plugs.start_span(),
            guard=self._guard,
        )
        logs = LogEmitter(
            str(self._identity.attributes()["service.name"]),
            records,
            self._exports.lines,
            render=self._render(),
            max_value_characters=settings.log_attribute_value_length_limit,
            guard=self._guard,
            redact=settings.redact,
        )
        self._spans = spans
        _providers.claim(self._diagnostics, settings.propagators)
        _providers.point_at(spans, self._store, logs)
        endings = None
        if plugs is None and logs.render is render_json:
            logs.endings, endings = self._exports.intakes.get(False), self._exports.intakes.get(True)
        return Signals(settings, _providers.TRACERS, self._store, logs, self._guard, endings)

    def _among_workers(self) -> Workers | None:
        if not self.settings.worker_metrics:
            return None
        service = str(self._identity.attributes()["service.name"])
        workers = Workers(service, self._exports.families, self._diagnostics)
        workers.join()
        return workers

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
            return importlib.import_module("instrumentation.signals.ecs").EcsRender(self._identity.attributes)
        is_terminal = getattr(sys.stdout, "isatty", bool)  # there may be no stdout, or an object of the service's own
        pretty = form in ("pretty", "console") or (form == "auto" and is_terminal())
        return importlib.import_module("instrumentation.signals.console").render_console if pretty else None

    def _point(self) -> None:
        _providers.point_at(self._spans, self._store, self._signals.logs)

    def _wire(self) -> None:
        self._process = process.register(self._store)
        self._undos.append(self._process.undo)
        self._undos.append(when_imported("asyncio", self._process.watch_runners))
        _libraries.install(_libraries.INTEGRATIONS, self._signals, self._undos)
        if self.settings.contrib and not _providers.has_foreign_tracers():
            ours = (*_libraries.INTEGRATIONS, *_libraries.SERVED)
            disabled = self.settings.disabled_instrumentations
            contrib = Contrib(ours, disabled, self._guard, self._diagnostics.line)
            self._undos.append(contrib.undo)
            contrib.install(when_imported)
        self._undos.append(when_imported("prometheus_client", self._show_clients))
        # Else FastAPI's own telemetry would feed our providers.
        self._applications.wrap_fastapi_when_called()
        self._doors = Doors(self._leave, self._hasten)
        self._undos.append(self._doors.undo)
        if "prometheus" in self.settings.metrics.exporters:
            self._serve_metrics()

    def _show_clients(self) -> None:
        try:
            self._exports.show_clients()
        except Exception as error:
            self._guard.caught("integration of prometheus_client", error)

    def flush_before_exit(self) -> None:
        """Deliver what is queued when a server is about to stop; the shutdown that follows shares the deadline."""
        self._deliver(self._seconds_left(), leaving=True)
        self._publish()
        if self._doors.is_ending:  # the server may end the process by a signal's default handler: no door comes after
            self._exports.report_losses()

    def _seconds_left(self) -> float:
        """Return what is left of `CLEW_SHUTDOWN_TIMEOUT` since the process began to stop, at least 0.1.

        A tenth of it is the interpreter's own, so that the process ends within the time as a whole.
        """
        now = monotonic()
        if self._stop_by is None:
            self._stop_by = now + 0.9 * self.settings.shutdown_seconds
        return max(0.1, self._stop_by - now)

    def _leave(self) -> None:
        """Shut down and say what was lost; a second Ctrl-C ends the wait."""
        try:
            self.shutdown()
        except KeyboardInterrupt:
            self._exports.abandon()
        self._publish()
        self._exports.report_losses()

    def _publish(self) -> None:
        """Leave the last counts for the other workers to show."""
        if self._workers is not None:
            self._workers.publish()

    def _hasten(self) -> None:
        self.flush(min(HASTE_SECONDS, self.settings.shutdown_seconds / 20))

    def _forget_parent(self) -> None:
        """Begin anew in a forked child; the pipeline does so by itself."""
        self._stop_by = None
        self._doors.forget_parent()
        self._process.forget_parent()
        spans, self._spans = self._spans, self._spans.succeed(self._exports.orphans)
        _providers.succeed(spans, self._spans)
        if self._workers is not None:
            self._workers.forget_parent(self._close_scrape_server)  # by whose socket it finds the others
        else:
            self._close_scrape_server()

    def _close_scrape_server(self) -> None:
        if self._scrape_server is not None:
            self._scrape_server.forget_parent()

    def _serve_metrics(self) -> None:
        from instrumentation.export.scrape_server import serve  # noqa: PLC0415 most show their metrics on their own port

        host, port = self.settings.prometheus_host, self.settings.prometheus_port
        server = serve(host, port, self.page, self._diagnostics.always, self.settings.metrics_token)
        if server is not None:
            self._scrape_server = server
            self._undos.append(server.shutdown)

    def page(self, accept: str) -> tuple[bytes, str]:
        """Render `/metrics`: body and content type."""
        return self._serves().page(accept)

    def server_started(self) -> None:
        """Watch the event loop that runs now, and SIGTERM if the server has set a handler of its own."""
        self._stop_by = None
        self._doors.chain_sigterm()
        if self._workers is not None:
            self._workers.join()
        self._process.start_loop_monitor()


class _Off(Telemetry):
    """The set-up of a process in which `OTEL_SDK_DISABLED` is true: emits nothing, but lets context go through.

    The specification says so: the variable has no effect on propagators.
    """

    def __init__(self, settings: Settings) -> None:  # pyright: ignore[reportMissingSuperCall] there is nothing to set up
        self.settings = settings
        self._undos = []
        self._workers = None
        self._applications = Applications(self, lambda key, message: None)
        self._passes = _providers.are_ours(settings.propagators)
        self._wire()

    def _point(self) -> None: ...

    def _wire(self) -> None:
        if self._passes:
            signals = Signals(self.settings, PassingTracers(), MetricStore(), LogEmitter("", None, None))
            _libraries.install(_libraries.CARRYING, signals, self._undos)

    def asgi(self, app: "ASGIApp") -> "ASGIApp":
        return self._passing().PassingAsgi(app, self.settings.trust) if self._passes else app

    def wsgi(self, app: "WSGIApp") -> "WSGIApp":
        return self._passing().PassingWsgi(app, self.settings.trust) if self._passes else app

    def prepare(self) -> None:
        self._passing()

    def _passing(self) -> Any:
        return importlib.import_module("instrumentation.integrations.passing")

    def wrap(self, app: object) -> None:
        if self._passes:
            super().wrap(app)

    def wrap_new_applications(self) -> None:
        if self._passes:
            super().wrap_new_applications()

    def surround_asgi(
        self, inner: "ASGIApp", find_route: "FindRoute", marks: Mapping[str, object], serves_metrics: Callable[[], bool]
    ) -> "ASGIApp":
        return self.asgi(inner)

    def surround_wsgi(
        self, inner: "WSGIApp", find_route: "FindWsgiRoute", serves_metrics: Callable[[], bool]
    ) -> "WSGIApp":
        return self.wsgi(inner)

    def flush(self, timeout: float = 5.0) -> bool:
        return True

    def shutdown(self, timeout: float | None = None) -> bool:
        return True

    def ledger(self) -> dict[str, Any]:
        return {}


def instrument(
    target: object = None, /, *, service_name: str | None = None, settings: Settings | None = None
) -> Telemetry:
    """Wire logs, metrics and traces of this process, and of an application if one is given.

    Calling it again is safe: the process stays as it was wired first, and the application is instrumented too.

    Args:
        target: An application of FastAPI, Starlette, Flask or Django (its WSGI or ASGI handler), instrumented in place.
        service_name: `service.name`; goes before `OTEL_SERVICE_NAME`.
        settings: Instead of what the environment says.

    Raises:
        TypeError: `target` is neither None nor such an application.
        ValueError: A setting given in code is out of its range.
    """
    app = application(target)
    if not _active:
        if settings is None:
            settings = Settings.from_env(service_name=service_name)
        elif service_name is not None:
            raise ValueError("give the service's name in settings or as service_name, not in both")
        _active.append(_Off(settings) if settings.disabled else Telemetry(settings))
    if app is not None:
        _active[0].wrap(app)
    return _active[0]


def set_aside() -> tuple[list[object], Callable[[], None]]:
    """Take this process' set-up off for a while, for tests.

    Returns:
        The applications that it had wrapped, and a function that puts it back.
    """
    if not _active:
        return [], lambda: None
    before = _active[0]
    applications = before.unwire()
    return applications, lambda: before.rewire(applications)


def wire(settings: Settings, outlets: Outlets, applications: Iterable[object]) -> Telemetry:
    """Wire this process, in which nothing is wired now, and these applications; for tests."""
    telemetry = Telemetry(settings, outlets)
    _active.append(telemetry)
    for app in applications:
        telemetry.wrap(app)
    return telemetry


def instrument_process() -> None:
    """Wire a process that does not call `instrument` itself, for `clew run`."""
    instrument().wrap_new_applications()
