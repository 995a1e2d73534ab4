"""The site: pages, their static files and the read API in one application."""

import re
import sqlite3
from collections.abc import Callable, Coroutine
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clew_console.access.guard import Guard
from clew_console.api.routes import api_routes, read_failure
from clew_console.api.run_files import run_routes
from clew_console.api.run_paths import RunPaths
from clew_console.store.runs import Runs
from clew_console.store.writer import Writer
from clew_console.web import links, text
from clew_console.web.charts.plot import spark_area, spark_path
from clew_console.web.icons import icon, icon_sheet
from clew_console.web.page import Answer, Page, View
from clew_console.web.pages import (
    changed,
    compare,
    logs,
    metrics,
    overview,
    run_compare,
    run_list,
    service_map,
    suggest,
    trace,
    traces,
)
from clew_console.web.run_summaries import Summaries
from clew_console.web.static_files import StaticFiles

_PATHS: dict[str, Answer] = {
    "/": overview.page,
    "/traces": traces.page,
    "/trace/{trace_id}": trace.page,
    "/trace/{trace_id}/span/{span_id}": trace.span_panel_page,
    "/compare": compare.page,
    "/logs": logs.page,
    "/metrics": metrics.page,
    "/map": service_map.page,
    "/changed": changed.page,
    "/suggest": suggest.answer,
}
_RUN_PATHS: dict[str, Callable[[Summaries, View], Page | Response]] = {
    "/runs": run_list.page,
    "/runs/compare": run_compare.page,
}
_OWN_ADDRESS = re.compile(r'(\shref=")/(?!static/|runs?[/"?])')
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def site(runs: Runs, writer: Writer, otlp_url: str, guard: Guard) -> ASGIApp:
    """Return the ASGI application behind the guard; `otlp_url` is what empty pages tell to send to."""
    files = StaticFiles(Path(__file__).parent / "static")
    templates = _templates(otlp_url, files, has_token=guard.tokens is not None)
    routes = [Route(path, _endpoint(templates, answer)) for path, answer in _PATHS.items()]
    summaries = Summaries(runs)
    of_runs = [Route(path, _endpoint(templates, partial(answer, summaries))) for path, answer in _RUN_PATHS.items()]
    static = Route("/static/{path:path}", files.answer)
    app = Starlette(routes=[*routes, *of_runs, *api_routes(writer), *run_routes(runs), static])
    return _SafeHeaders(guard.around(RunPaths(app, runs)))


def _templates(otlp_url: str, files: StaticFiles, *, has_token: bool) -> Environment:
    templates = Environment(
        loader=PackageLoader("clew_console.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals |= {
        "otlp_url": otlp_url,
        "has_token": has_token,
        "static": files.address,
        "icon": icon,
        "icon_sheet": icon_sheet,
        "around_line": logs.around_line,
        "narrowing": changed.narrowing,
    }
    for function in (links.of_service, links.logs_of_service, links.logs_with_label, links.joined, links.quoted):
        templates.globals[function.__name__] = function
    for name in ("duration", "count", "percent", "number", "quantity", "rate"):
        templates.filters[name] = getattr(text, f"{name}_text")
    templates.filters["unit_name"] = text.unit_name
    templates.filters |= {"spark_line": spark_path, "spark_area": spark_area, "any_value": any}
    templates.filters |= {"clock": _in_zone(text.clock_text), "date": _in_zone(text.date_text)}
    templates.filters["moment"] = _in_zone(lambda time_ns, zone: f"{text.local(time_ns, zone):%Y-%m-%dT%H:%M:%S}")
    return templates


def _in_zone(write: Callable[[int, tzinfo], str]) -> Callable[[Context, int], str]:
    """Return the filter that writes a time in the zone of the page."""

    @pass_context
    def in_zone(context: Context, time_ns: int) -> str:
        return write(time_ns, context["view"].zone)

    return in_zone


def _endpoint(templates: Environment, answer: Answer) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    def render(request: Request) -> Response:
        view = View(request)
        try:
            page = answer(view)
            if isinstance(page, Response):
                return page
            html = templates.get_template(page.template).render(view=view, path=view.path, **page.values)
        except sqlite3.OperationalError as error:
            page = Page("missing.html", {"message": read_failure(error)}, 503)
            html = templates.get_template(page.template).render(view=view, path=view.path, **page.values)
        return HTMLResponse(_based(html, view.base), page.code)

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(render, request)

    return endpoint


def _based(html: str, base: str) -> str:
    """Put what a run's addresses begin with before the page's own; text in the page has no raw quotes to match."""
    return _OWN_ADDRESS.sub(rf"\1{base}/", html) if base else html


class _SafeHeaders:
    """Allow only the site's own scripts and styles, none of them inline, and nothing to be framed.

    Nothing is kept by the browser but what says itself that it may be: the static files.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_safely)
