"""Refuse what a page of another site sends: a browser lets it send, though not read the answer."""

from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from clew_console.access.host import header

_READING = frozenset({"GET", "HEAD"})


class OriginCheck:
    """Answer 403 to what may change something and comes from a page of another origin.

    Programs send no Origin and are not concerned. What only reads needs no check: no answer allows another origin.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or scope["method"] in _READING or is_own(scope):
            await self._app(scope, receive, send)
            return
        await PlainTextResponse("this console takes nothing from pages of other sites\n", 403)(scope, receive, send)


def is_own(scope: Scope) -> bool:
    """Tell whether no page, or one of this console itself, sent the request."""
    origins = [value for key, value in scope["headers"] if key == b"origin"]
    if header(scope, b"sec-fetch-site") in {"cross-site", "same-site"}:
        return False
    if not origins:
        return True
    origin = urlsplit(header(scope, b"origin"))
    return bool(origin.netloc) and origin.netloc.lower() == header(scope, b"host").lower()
