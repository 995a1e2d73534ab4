"""Refuse foreign host names: a web page that points its own name at this machine must not read the console."""

import ipaddress
from collections.abc import Callable

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


class HostCheck:
    """Answer 403 unless the Host header is one of those allowed."""

    def __init__(self, app: ASGIApp, is_allowed: Callable[[str], bool], allowed: str) -> None:
        self._app = app
        self._is_allowed = is_allowed
        self._refusal = f"this console is asked by {allowed}\n"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or self._is_allowed(host(scope)):
            await self._app(scope, receive, send)
            return
        await PlainTextResponse(self._refusal, 403)(scope, receive, send)


def loopback_only(app: ASGIApp) -> ASGIApp:
    """Allow the names of the loopback interface."""
    return HostCheck(app, LOOPBACK.__contains__, "http://127.0.0.1 or http://localhost")


def no_domain(app: ASGIApp) -> ASGIApp:
    """Allow addresses and names without a dot: what only a network of one's own resolves, never a stranger's domain."""
    return HostCheck(app, is_own_name, "its IP address or a name without a dot")


def is_own_name(name: str) -> bool:
    """Tell an IP address, or a name that has no domain such as Docker gives its containers."""
    if name in LOOPBACK:
        return True
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return bool(name) and "." not in name
    return True


def is_loopback(address: str) -> bool:
    """Tell whether an address to bind is reachable from this machine only."""
    return address in {"127.0.0.1", "localhost", "::1"}


def host(scope: Scope) -> str:
    """Return the Host header without its port, "" for none."""
    return _without_port(header(scope, b"host"))


def header(scope: Scope, name: bytes) -> str:
    """Return a header's value, "" for none and for one that comes twice."""
    found = [value for key, value in scope["headers"] if key == name]
    return found[0].decode("latin-1").strip() if len(found) == 1 else ""


def _without_port(authority: str) -> str:
    if authority.startswith("["):
        return authority.partition("]")[0].lower() + "]"
    return authority.partition(":")[0].lower()
