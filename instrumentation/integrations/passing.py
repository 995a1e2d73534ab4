"""Web applications while the SDK is disabled: what the caller sent is there for outgoing calls, and nothing else."""

from collections.abc import Iterable

from opentelemetry import context as otel_context

from instrumentation.integrations.asgi import ASGIApp, Receive, Scope, Send
from instrumentation.integrations.boundary import PROPAGATION_FIELDS, passed_context
from instrumentation.integrations.wsgi import Body, Environ, StartResponse, WSGIApp, carried, is_whole


class PassingAsgi:
    """An ASGI application around another.

    Args:
        app: What it wraps.
        trust: `continue` passes all on; else the request ID alone.
    """

    def __init__(self, app: ASGIApp, trust: str) -> None:
        self.app = app
        self._trust = trust

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        token = otel_context.attach(passed_context(self._trust, _joined(scope["headers"])))
        try:
            await self.app(scope, receive, send)
        finally:
            otel_context.detach(token)


class PassingWsgi:
    """A WSGI application around another; arguments as of `PassingAsgi`."""

    def __init__(self, app: WSGIApp, trust: str) -> None:
        self.app = app
        self._trust = trust

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        current = passed_context(self._trust, _joined(carried(environ)))
        token = otel_context.attach(current)
        try:
            body = self.app(environ, start_response)
        finally:
            otel_context.detach(token)
        return body if is_whole(body, environ) else Body(body, current)


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers that carry context; lines of one name are joined, which leaves no valid `traceparent`."""
    found: dict[str, str] = {}
    for raw, value in headers:
        name = raw.decode("latin-1")
        if name in PROPAGATION_FIELDS:
            text = value.decode("latin-1")
            found[name] = f"{found[name]},{text}" if name in found else text
    return found
