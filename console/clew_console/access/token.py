"""Ask for a token: as a bearer, or once, for a cookie that a browser keeps."""

import hashlib
import hmac
import secrets
import threading
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from clew_console.access.host import header

COOKIE = "clew_session"
LOGIN = "/login"
MIN_TOKEN_CHARACTERS = 16
MAX_FORM_BYTES = 4096
YEAR_SECONDS = 31_536_000

_OPEN = ("/static/", "/healthz")
"""What a page without a token needs, and what tells that the console runs."""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Token · Clew</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/console.css"></head>
<body><main><form class="empty" method="post" action="/login"><h1>This console asks for its token</h1>
<p>{said}</p>
<p><label>Token <input type="password" name="token" required autocomplete="current-password"></label>
<button class="primary">Open</button></p></form></main></body></html>
"""
_ASK = (
    "It is what the console was started with as CLEW_CONSOLE_TOKEN. The address it printed at its start opens it once."
)


class AccessError(Exception):
    """The console would be open to strangers; the message says what to do."""


class Tokens:
    """The token, and what stands for it.

    Args:
        token: At least 16 characters.

    Attributes:
        once: A key that opens the console to one browser, until it was used.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._session = hmac.new(self._token, b"clew console session", hashlib.sha256).hexdigest()
        self.once = secrets.token_urlsafe(32)
        self._lock = threading.Lock()
        self._is_used = False

    def is_token(self, text: str) -> bool:
        """Compare in a time that tells nothing."""
        return hmac.compare_digest(text.encode(errors="replace"), self._token)

    def is_bearer(self, value: str) -> bool:
        """Tell whether an Authorization header carries the token."""
        scheme, _, credentials = value.partition(" ")
        return scheme.lower() == "bearer" and self.is_token(credentials.strip())

    def is_session(self, cookies: str) -> bool:
        """Tell whether a Cookie header carries the session."""
        try:
            found = SimpleCookie(cookies).get(COOKIE)
        except CookieError:
            return False
        return found is not None and hmac.compare_digest(found.value.encode(), self._session.encode())

    def take_once(self, key: str) -> bool:
        """Tell whether the key is right and was not used, and use it."""
        with self._lock:
            if self._is_used or not hmac.compare_digest(key.encode(errors="replace"), self.once.encode()):
                return False
            self._is_used = True
            return True

    def opened(self, scope: Scope) -> Response:
        """Return the answer that gives a browser its cookie."""
        answer = RedirectResponse("/", 303)
        is_secure = scope["scheme"] == "https"
        answer.set_cookie(COOKIE, self._session, YEAR_SECONDS, httponly=True, samesite="lax", secure=is_secure)
        return answer


class TokenCheck:
    """Answer 401 without the token; a browser is asked for it."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or ask for the token."""
        if scope["type"] != "http" or self._is_allowed(scope):
            await self._app(scope, receive, send)
            return
        answer = await self._login(Request(scope, receive)) if scope["path"] == LOGIN else _asking(scope, _ASK)
        await answer(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        if scope["path"] != LOGIN and scope["path"].startswith(_OPEN):
            return True
        if scope["path"] == LOGIN:
            return False
        authorization, cookies = header(scope, b"authorization"), header(scope, b"cookie")
        return self._tokens.is_bearer(authorization) or self._tokens.is_session(cookies)

    async def _login(self, request: Request) -> Response:
        if request.method == "POST":
            is_right = self._tokens.is_token(await _posted_token(request))
            return self._tokens.opened(request.scope) if is_right else _asking(request.scope, "That was another token.")
        if self._tokens.take_once(request.query_params.get("key", "")):
            return self._tokens.opened(request.scope)
        return _asking(request.scope, "This address was used, or is of another start of the console. " + _ASK)


async def _posted_token(request: Request) -> str:
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_FORM_BYTES:
                return ""
    except ClientDisconnect:
        return ""
    return parse_qs(body.decode(errors="replace")).get("token", [""])[0]


def _asking(scope: Scope, said: str) -> Response:
    challenge = {"WWW-Authenticate": 'Bearer realm="clew console"'}
    if "text/html" in header(scope, b"accept"):
        return HTMLResponse(_PAGE.format(said=said), 401, challenge)
    return JSONResponse({"error": "this console asks for its token: Authorization: Bearer ..."}, 401, challenge)
