"""ASGI: requests of an application become SERVER spans, durations and access lines.

The wrapper stands outside the application's own `__call__`, so that its 500 handler is inside.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, Protocol

from opentelemetry import context as otel_context

from instrumentation.context import remember_origin
from instrumentation.integrations.http import HttpServer, response_headers
from instrumentation.integrations.websocket import WebsocketServer
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
        observed_send, finish = self._observe(scope, send, span)
        try:
            await self.app(scope, receive, observed_send)
        except BaseException as exception:
            remember_origin(exception, span)  # servers log it outside of the request's context
            finish(exception)
            raise
        finally:
            finish(None)
            otel_context.detach(token)

    def _observe(self, scope: Scope, send: Send, span: Span) -> tuple[Send, Callable[[BaseException | None], None]]:
        """Return a `send` that watches the response, and what ends the span on its first call.

        Closures: an object with these ten fields cost 1 us more per request. No coroutine of its own: one less to run
        for each message.
        """
        http, find_route = self._http, self._find_route
        status = 0
        sized = streaming = finished = False

        def finish(exception: BaseException | None) -> None:
            nonlocal finished
            if finished:
                return
            finished = True
            failed = exception if isinstance(exception, Exception) else None
            code = status or (CLIENT_CLOSED_REQUEST if exception is not None and failed is None else 500)
            if failed is None and code >= 500:
                failed = scope.get(EXCEPTION)
            try:
                route, scheme = find_route(scope), scope.get("scheme", "http")
                http.finish(span, scope["method"], route, code, scope["path"], scheme, streaming, failed)
            except Exception as error:
                self._guard.caught("asgi finish", error)

        def observed_send(message: Message) -> Awaitable[None]:
            nonlocal status, sized, streaming
            kind = message["type"]
            if kind == "http.response.start":
                status = message["status"]
                theirs = message.get("headers", ())
                ours = response_headers(span)
                for name, _ in theirs:
                    if name == b"content-length":
                        sized = True
                    elif name in _RESPONSE_HEADERS:
                        ours = [header for header in ours if header[0] != name]
                return send({**message, "headers": [*theirs, *ours]})
            if kind == "http.response.body":
                if message.get("more_body", False):
                    streaming = not sized
                elif status < 500:
                    # Background tasks run after this: they are not part of the response's duration. A failure waits
                    # for its exception, which the error handler raises again after it has answered.
                    finish(None)
            return send(message)

        return observed_send, finish

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
