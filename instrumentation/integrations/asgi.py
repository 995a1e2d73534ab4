"""ASGI: requests of an application become SERVER spans, durations and access lines.

The wrapper stands outside the application's own `__call__`, so that its 500 handler is inside.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, Protocol

from opentelemetry import context as otel_context

from instrumentation.context import leave, remember_origin
from instrumentation.integrations.http import HttpServer, response_headers
from instrumentation.integrations.request_span import RequestSpan
from instrumentation.integrations.websocket import WebsocketServer
from instrumentation.signals.signals import Signals

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
OBSERVED = "instrumentation.asgi"
"""Key in the scope of a connection that is observed."""
EXCEPTION = "instrumentation.exception"
"""Key in a request's scope or environ where a framework's integration leaves what became a 500."""
FASTAPI_MARKS: Mapping[str, None] = MappingProxyType({"fastapi.telemetry": None})
"""Keeps FastAPI >= 0.142 from making a SERVER span, with the raw query, and a duration of its own."""
_RESPONSE_HEADERS = frozenset((b"x-request-id", b"traceresponse"))
_UNOBSERVED = PROBES | {METRICS_PATH}


class FindRoute(Protocol):
    """Finds the route of a request that the application has handled."""

    def __call__(self, scope: Scope, /) -> str | None:
        """Return the full template, such as `/orders/{order_id}`; None if no route matched."""
        ...


class Hooks(Protocol):
    """What the wrapper asks of whoever composed it."""

    async def scrape(self, accept: str, authorization: str) -> tuple[bytes, str] | None:
        """Return the body and content type of `/metrics`; None if the application serves that path itself.

        Raises:
            PermissionError: who asks may not see it.
        """
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
        marks: What the application's framework is told in the scope of each request.
    """

    def __init__(
        self,
        app: ASGIApp,
        signals: Signals,
        hooks: Hooks,
        find_route: FindRoute,
        marks: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        self.app = app
        self._http = HttpServer(signals, SCOPE_NAME)
        self._guard = signals.guard
        self._hooks = hooks
        self._find_route = find_route
        self._marks = {**marks, OBSERVED: True}
        self._websockets = WebsocketServer(self._http, signals.guard, find_route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or OBSERVED in scope:
            await self._other(scope, receive, send)
            return
        scope.update(self._marks)
        path = scope["path"]
        if path in _UNOBSERVED:
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

        def observed_send(message: Message) -> Awaitable[None]:
            """Watch the response. No coroutine of its own, nor an object: 1 us less for each of the messages."""
            if message["type"] == "http.response.body":
                if message.get("more_body", False):
                    span.is_stream = span.is_unsized
                elif span.status < 500 and not span.finished:
                    # Background tasks run after this: they are not part of the response's duration. A failure waits
                    # for its exception, which the error handler raises again after it has answered.
                    self._finish(scope, span, None)
            elif message["type"] == "http.response.start":
                span.status = message["status"]
                message = {**message, "headers": _headers(span, message.get("headers", ()))}
            return send(message)

        try:
            await self.app(scope, receive, observed_send)
        except BaseException as exception:
            remember_origin(exception, span)  # servers log it outside of the request's context
            if not span.finished:
                self._finish(scope, span, exception)
            raise
        finally:
            if not span.finished:
                self._finish(scope, span, None)
            leave(token)

    def _finish(self, scope: Scope, span: RequestSpan, exception: BaseException | None) -> None:
        """End the span."""
        span.finished = True
        failed = exception if isinstance(exception, Exception) else None
        status = span.status or (CLIENT_CLOSED_REQUEST if exception is not None and failed is None else 500)
        if failed is None and status >= 500:
            failed = scope.get(EXCEPTION)
        try:
            route, scheme = self._find_route(scope), scope.get("scheme", "http")
            self._http.finish(span, scope["method"], route, status, scope["path"], scheme, span.is_stream, failed)
        except Exception as error:
            self._guard.caught("asgi finish", error)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what is no request of ours: a websocket, the lifespan, an application within one that is wrapped."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] == "websocket" and OBSERVED not in scope:
            scope.update(self._marks)
            await self._websockets.serve(self.app, scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _unobserved(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == METRICS_PATH and scope["method"] in ("GET", "HEAD"):
            try:
                scraped = await self._hooks.scrape(_header(scope, b"accept"), _header(scope, b"authorization"))
            except PermissionError:
                await _refuse(send)
                return
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


def _headers(span: RequestSpan, theirs: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers of a response with ours, unless the application has set them; look whether it has a length."""
    ours = response_headers(span)
    is_unsized = True
    for name, _ in theirs:
        if name == b"content-length":
            is_unsized = False
        elif name in _RESPONSE_HEADERS:
            ours = [header for header in ours if header[0] != name]
    span.is_unsized = is_unsized
    return [*theirs, *ours]


async def _respond(send: Send, body: bytes, content_type: str) -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _refuse(send: Send) -> None:
    headers = [(b"www-authenticate", b"Bearer"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _header(scope: Scope, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), "")


def no_route(scope: Scope) -> str | None:
    """Find no route: for applications whose routing is unknown."""
    del scope
    return None
