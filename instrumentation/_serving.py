"""What is put around applications: their requests are observed, and `/metrics` is shown.

Imported with the first application, or for a port that shows the metrics: a script without either need not pay for it.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from instrumentation import _providers
from instrumentation._exports import Exports, Identity
from instrumentation.export import scrape
from instrumentation.export.workers import Workers
from instrumentation.integrations.asgi import FASTAPI_MARKS, ASGIApp, AsgiMiddleware, FindRoute, no_route
from instrumentation.integrations.wsgi import FindWsgiRoute, WSGIApp, WsgiMiddleware, no_wsgi_route
from instrumentation.settings import Settings
from instrumentation.signals.signals import Signals


class Life(Protocol):
    """What the set-up does in the life of an application."""

    def server_started(self) -> None:
        """Adopt what the server set up after `instrument`."""
        ...

    def flush_before_exit(self) -> None:
        """Deliver what is queued when a server is about to stop."""
        ...


class Serving:
    """Surrounds applications.

    Args:
        life: Told of an application's start and end.
        signals: Where records go.
        exports: Whose metrics are shown.
        identity: The resource they are of.
        workers: Those of the server that this process is one of; None if they are not to be shown.
    """

    def __init__(
        self, life: Life, signals: Signals, exports: Exports, identity: Identity, workers: Workers | None
    ) -> None:
        self._life = life
        self._signals = signals
        self._exports = exports
        self._identity = identity
        self._workers = workers
        if workers is not None:
            workers.prepare()

    @property
    def _settings(self) -> Settings:
        return self._signals.settings

    def plain_asgi(self, app: ASGIApp) -> ASGIApp:
        """Return what observes an application whose routes are unknown."""
        return self._asgi(app, no_route, FASTAPI_MARKS, lambda: False)

    def plain_wsgi(self, app: WSGIApp) -> WSGIApp:
        """Return what observes an application whose routes are unknown."""
        return self.wsgi(app, no_wsgi_route, lambda: False)

    def asgi(
        self, inner: ASGIApp, find_route: FindRoute, marks: Mapping[str, object], serves_metrics: Callable[[], bool]
    ) -> ASGIApp:
        """Return what observes an ASGI application; beside a foreign provider the application itself."""
        if _providers.has_foreign_tracers():
            return inner
        return self._asgi(inner, find_route, marks, serves_metrics)

    def wsgi(self, inner: WSGIApp, find_route: FindWsgiRoute, serves_metrics: Callable[[], bool]) -> WSGIApp:
        """Return what observes a WSGI application, likewise."""

        def scrape_page(accept: str, authorization: str) -> tuple[bytes, str] | None:
            return self.page(accept) if self.shows_metrics(serves_metrics, authorization) else None

        if _providers.has_foreign_tracers():
            return inner
        return WsgiMiddleware(inner, self._signals, find_route, scrape_page)

    def _asgi(
        self, inner: ASGIApp, find_route: FindRoute, marks: Mapping[str, object], serves_metrics: Callable[[], bool]
    ) -> AsgiMiddleware:
        return AsgiMiddleware(inner, self._signals, _Hooks(self, self._life, serves_metrics), find_route, marks)

    def shows_metrics(self, serves_metrics: Callable[[], bool], authorization: str) -> bool:
        """Tell whether an application shows the kit's `/metrics` to who sent this header.

        Raises:
            PermissionError: it does, but not to them.
        """
        if serves_metrics() or not self._settings.metrics_on_app:
            return False
        if not scrape.admits(self._settings.metrics_token, authorization):
            raise PermissionError
        return True

    def page(self, accept: str) -> tuple[bytes, str]:
        """Render `/metrics`: body and content type."""
        attributes = self._identity.attributes()
        workers = None if self._workers is None else self._workers.families()
        if workers is not None:
            return scrape.render_combined(workers, attributes, accept)
        return scrape.render(self._exports.store, attributes, accept, self._exports.clients)


class _Hooks:
    """What the ASGI wrapper asks of the set-up."""

    def __init__(self, serving: Serving, life: Life, serves_metrics: Callable[[], bool]) -> None:
        self._serving = serving
        self._life = life
        self._serves_metrics = serves_metrics

    async def scrape(self, accept: str, authorization: str) -> tuple[bytes, str] | None:
        """Return the body and content type of `/metrics`, rendered off the event loop."""
        if not self._serving.shows_metrics(self._serves_metrics, authorization):
            return None
        from asyncio import to_thread  # noqa: PLC0415 who runs coroutines has imported it; a WSGI server need not

        return await to_thread(self._serving.page, accept)

    async def started(self) -> None:
        """Adopt what the server set up after `instrument`."""
        self._life.server_started()

    async def stopping(self) -> None:
        """Deliver what is queued while the server still waits for us."""
        from asyncio import to_thread  # noqa: PLC0415 as above

        await to_thread(self._life.flush_before_exit)
