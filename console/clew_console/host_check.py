"""Refuse foreign host names: a web page that points its own name at 127.0.0.1 must not read the console."""

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


class HostCheck:
    """Answer 403 unless the Host header names the loopback interface."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or _host(scope) in LOOPBACK:
            await self._app(scope, receive, send)
            return
        message = "this console listens on loopback; ask it as http://127.0.0.1 or http://localhost\n"
        await PlainTextResponse(message, 403)(scope, receive, send)


def is_loopback(host: str) -> bool:
    """Tell whether an address to bind is reachable from this machine only."""
    return host in {"127.0.0.1", "localhost", "::1"}


def _host(scope: Scope) -> str:
    header = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1").lower()
    return header.partition("]")[0] + "]" if header.startswith("[") else header.partition(":")[0]
