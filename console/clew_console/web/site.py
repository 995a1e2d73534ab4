"""The site: pages, their static files and the read API in one application."""

import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clew_console.api.routes import api_routes, read_failure
from clew_console.store.directory import Directory
from clew_console.store.writer import Writer
from clew_console.web import pages, text

_PATHS: dict[str, pages.Answer] = {
    "/": pages.overview,
    "/traces": pages.traces,
    "/trace/{trace_id}": pages.trace,
    "/logs": pages.logs,
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def site(directory: Directory, writer: Writer, otlp_url: str) -> ASGIApp:
    """Return the ASGI application; `otlp_url` is what empty pages tell to send to."""
    templates = _templates(otlp_url)
    routes = [Route(path, _endpoint(directory, templates, answer)) for path, answer in _PATHS.items()]
    static = Mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    return _SafeHeaders(Starlette(routes=[*routes, *api_routes(directory, writer), static]))


def _templates(otlp_url: str) -> Environment:
    templates = Environment(
        loader=PackageLoader("clew_console.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals["otlp_url"] = otlp_url
    for name in ("duration", "clock", "date", "count", "percent"):
        templates.filters[name] = getattr(text, f"{name}_text")
    return templates


def _endpoint(
    directory: Directory, templates: Environment, answer: pages.Answer
) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    def render(request: Request) -> Response:
        try:
            page = answer(directory, request)
        except sqlite3.OperationalError as error:
            page = pages.Page("missing.html", {"message": read_failure(error)}, 503)
        html = templates.get_template(page.template).render(path=request.url.path, **page.values)
        return HTMLResponse(html, page.code)

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(render, request)

    return endpoint


class _SafeHeaders:
    """Allow only the site's own scripts and styles, none of them inline, and nothing to be framed or cached."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self._app(scope, receive, send_safely)
