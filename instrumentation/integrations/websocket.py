"""ASGI websockets: a connection is one SERVER span from its handshake to its close, whatever is said in between.

The handshake is an HTTP request whose status is 101 if it was accepted; so are span, attributes and access line. The
duration says nothing about latency and is in no histogram.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from opentelemetry import context as otel_context

from instrumentation import semconv
from instrumentation.guard import Guard
from instrumentation.integrations.http import HttpServer, response_headers
from instrumentation.integrations.request_span import RequestSpan

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

SWITCHING_PROTOCOLS, FORBIDDEN, CLIENT_CLOSED_REQUEST = 101, 403, 499
NORMAL_CLOSURE, NO_STATUS = 1000, 1005


class WebsocketServer:
    """Observes the websockets of an application.

    Args:
        http: Ends spans and writes access lines.
        guard: Keeps failures from the application.
        find_route: How the route of a connection is found.
    """

    def __init__(self, http: HttpServer, guard: Guard, find_route: Callable[[Scope], str | None]) -> None:
        self._http = http
        self._guard = guard
        self._find_route = find_route

    async def serve(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        try:
            started = self._http.start("GET", scope["headers"])
        except Exception as error:
            self._guard.caught("websocket start", error)
            started = None
        if started is None:
            await app(scope, receive, send)
            return
        span, token = started
        connection = _Connection(span, receive, send)
        failure: BaseException | None = None
        try:
            await app(scope, connection.receive, connection.send)
        except BaseException as exception:
            failure = exception
            raise
        finally:
            self._finish(span, scope, connection, failure)
            otel_context.detach(token)

    def _finish(
        self, span: RequestSpan, scope: Scope, connection: "_Connection", failure: BaseException | None
    ) -> None:
        failed = failure if isinstance(failure, Exception) else None
        status = connection.status or (CLIENT_CLOSED_REQUEST if failure is not None and failed is None else 500)
        try:
            if connection.close_code:
                span.set_attribute(semconv.WEBSOCKET_CLOSE_CODE, connection.close_code)
            route, path, scheme = self._find_route(scope), scope["path"], scope.get("scheme", "ws")
            self._http.finish(span, "GET", route, status, path, scheme, streaming=True, exception=failed)
        except Exception as error:
            self._guard.caught("websocket finish", error)


class _Connection:
    """Watches the messages of one connection.

    Attributes:
        status: Of the handshake; 0 before it is answered.
        close_code: Of whoever closed first; 0 while it is open.
    """

    def __init__(self, span: RequestSpan, receive: Receive, send: Send) -> None:
        self.status = 0
        self.close_code = 0
        self._span = span
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        """Pass a message to the application."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect" and not self.close_code:
            self.close_code = message.get("code") or NO_STATUS
            self.status = self.status or CLIENT_CLOSED_REQUEST
        return message

    async def send(self, message: Message) -> None:
        """Pass a message to the server."""
        kind = message["type"]
        if kind == "websocket.accept":
            self.status = SWITCHING_PROTOCOLS
            message = {**message, "headers": [*message.get("headers", ()), *response_headers(self._span)]}
        elif kind == "websocket.http.response.start":
            self.status = message["status"]
        elif kind == "websocket.close" and not self.status:
            self.status = FORBIDDEN  # what servers answer to a handshake that is not accepted
        elif kind == "websocket.close" and not self.close_code:
            self.close_code = message.get("code") or NORMAL_CLOSURE
        await self._send(message)
