"""ASGI: requests of an application become SERVER spans, durations and access lines.

The wrapper stands outside the application's own `__call__`, so that its 500 handler is inside.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from opentelemetry import context as otel_context

from instrumentation.guard import Guard
from instrumentation.integrations.http import HttpServer, response_headers
from instrumentation.signals.signals import Signals
from instrumentation.signals.span import Span

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

SCOPE_NAME = "instrumentation.asgi"
PROBES = frozenset(("/health", "/health/live", "/health/ready", "/healthz", "/livez", "/readyz"))
"""Health checks: in neither traces nor request metrics nor the access log."""
METRICS_PATH = "/metrics"
CLIENT_CLOSED_REQUEST = 499
"""Status of a request that was cancelled before a response: nginx's word, as HTTP has none."""
_OBSERVED = "instrumentation.asgi"


class FindRoute(Protocol):
    """Finds the route of a request that the application has handled."""

    def __call__(self, scope: Scope, /) -> str | None:
        """Return the full template, such as `/orders/{order_id}`; None if no route matched."""
        ...


class Hooks(Protocol):
    """What the wrapper asks of whoever composed it."""

    async def scrape(self, accept: str) -> tuple[bytes, str] | None:
        """Return the body and content type of `/metrics`; None if the application serves that path itself."""
        ...

    async def started(self) -> None:
        """Adopt what the server set up after `instrument`, such as its loggers."""
        ...

    async def stopping(self) -> None:
        """Deliver what is queued, before the server exits."""
        ...


class AsgiMiddleware:
    """An ASGI application around another.

    Args:
        app: What it wraps.
        signals: Where the records go.
        hooks: Set-up's part in the life of the application.
        find_route: How the route of a request is found.
    """

    def __init__(self, app: ASGIApp, signals: Signals, hooks: Hooks, find_route: FindRoute) -> None:
        self.app = app
        self._http = HttpServer(signals, SCOPE_NAME)
        self._guard = signals.guard
        self._hooks = hooks
        self._find_route = find_route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._lifespan(scope, receive, send)
            else:
                await self.app(scope, receive, send)
            return
        if _OBSERVED in scope:  # an application within one that is wrapped itself
            await self.app(scope, receive, send)
            return
        scope[_OBSERVED] = True
        path = scope["path"]
        if path in PROBES or path == METRICS_PATH:
            await self._unobserved(scope, receive, send)
            return
        try:
            started = self._http.start(scope["method"], scope["headers"])
        except Exception as error:
            self._guard.caught("asgi start", error)
            started = None
        if started is None:
            await self.app(scope, receive, send)
            return
        span, token = started
        request = _Request(self._http, self._guard, self._find_route, scope, span, send)
        try:
            await self.app(scope, receive, request.send)
        except BaseException as exception:
            request.finish(exception)
            raise
        finally:
            request.finish(None)
            otel_context.detach(token)

    async def _unobserved(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == METRICS_PATH and scope["method"] in ("GET", "HEAD"):
            scraped = await self._hooks.scrape(_header(scope, b"accept"))
            if scraped is not None:
                await _respond(send, *scraped)
                return
        token = self._http.start_ignored()
        try:
            await self.app(scope, receive, send)
        finally:
            if token is not None:
                otel_context.detach(token)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_lifespan(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                await self._hooks.started()
            elif message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                await self._hooks.stopping()
            await send(message)

        await self.app(scope, receive, send_lifespan)


class _Request:
    """One request under way: watches the response and finishes once."""

    __slots__ = (
        "_find_route",
        "_finished",
        "_guard",
        "_http",
        "_scope",
        "_send",
        "_sized",
        "_span",
        "_status",
        "_streaming",
    )

    def __init__(
        self, http: HttpServer, guard: Guard, find_route: FindRoute, scope: Scope, span: Span, send: Send
    ) -> None:
        self._http = http
        self._guard = guard
        self._find_route = find_route
        self._scope = scope
        self._span = span
        self._send = send
        self._status = 0
        self._sized = False
        self._streaming = False
        self._finished = False

    async def send(self, message: Message) -> None:
        """Pass a message on, the ids added to the response's headers."""
        kind = message["type"]
        if kind == "http.response.start":
            self._status = message["status"]
            headers = [*message.get("headers", ())]
            names = [name.lower() for name, _ in headers]
            self._sized = b"content-length" in names
            headers += [header for header in response_headers(self._span) if header[0] not in names]
            message = {**message, "headers": headers}
        elif kind == "http.response.body":
            if message.get("more_body", False):
                self._streaming = not self._sized
            elif self._status < 500:
                # Background tasks run after this: they are not part of the response's duration. A failure waits
                # for its exception, which the error handler raises again after it has answered.
                await self._send(message)
                self.finish(None)
                return
        await self._send(message)

    def finish(self, exception: BaseException | None) -> None:
        """End the span on the first call: at the response's end, or when the application returns or raises."""
        if self._finished:
            return
        self._finished = True
        scope = self._scope
        failed = exception if isinstance(exception, Exception) else None
        cancelled = exception is not None and failed is None
        try:
            self._http.finish(
                self._span,
                scope["method"],
                self._find_route(scope),
                self._status or (CLIENT_CLOSED_REQUEST if cancelled else 500),
                scope["path"],
                scope.get("scheme", "http"),
                streaming=self._streaming,
                exception=failed,
            )
        except Exception as error:
            self._guard.caught("asgi finish", error)


async def _respond(send: Send, body: bytes, content_type: str) -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _header(scope: Scope, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), "")


def no_route(scope: Scope) -> str | None:
    """Find no route: for applications whose routing is unknown."""
    del scope
    return None
