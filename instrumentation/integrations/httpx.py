"""httpx: each `send` of a client becomes a CLIENT span, whatever transport the client has.

`Client.send` and `AsyncClient.send` are the public methods that every request passes, also of clients that exist
already and of `httpx.get()`. So there is one span for a request with its redirects and authentication round trips. It
ends when `send` returns: with the body read, or, for `stream=True`, when the headers have arrived.
"""

import logging
from collections.abc import Callable, Coroutine
from contextvars import Token
from functools import wraps
from types import CoroutineType
from typing import Any

import httpx
from opentelemetry import context as otel_context
from opentelemetry.context import Context
from typing_extensions import override

from instrumentation.context import outgoing_headers
from instrumentation.guard import Guard
from instrumentation.integrations import boundary
from instrumentation.integrations.http_client import HttpClient
from instrumentation.signals.signals import Signals
from instrumentation.signals.span import Span

SCOPE_NAME = "instrumentation.httpx"


def install(signals: Signals) -> Callable[[], None]:
    """Observe the requests of all clients; returns what undoes it."""
    http = _Httpx(HttpClient(signals, SCOPE_NAME), signals.guard)
    send, async_send = httpx.Client.send, httpx.AsyncClient.send
    httpx.Client.send = _wrapped(http, send)
    httpx.AsyncClient.send = _wrapped_async(http, async_send)
    own_lines, filtered = logging.getLogger("httpx"), _WithoutQuery()
    own_lines.addFilter(filtered)

    def undo() -> None:
        httpx.Client.send, httpx.AsyncClient.send = send, async_send
        own_lines.removeFilter(filtered)

    return undo


class _Httpx:
    """What both kinds of client share."""

    __slots__ = ("_guard", "_http")

    def __init__(self, http: HttpClient, guard: Guard) -> None:
        self._http = http
        self._guard = guard

    def start(self, request: httpx.Request) -> tuple[Span, Token[Context]] | None:
        """Start the span of a request, put it into its headers and make it the current one; None while off."""
        try:
            span = self._http.start(request.method)
            if span is None:
                return None
            _carry(request.headers, outgoing_headers(span))
            return span, boundary.make_current(span)
        except Exception as error:
            self._guard.caught("httpx start", error)
            return None

    def finish(self, span: Span, request: httpx.Request, response: httpx.Response) -> None:
        """End the span of a request that was answered."""
        try:
            self._http.finish(span, request.method, *_where(request.url), response.status_code)
        except Exception as error:
            self._guard.caught("httpx finish", error)

    def fail(self, span: Span, request: httpx.Request, exception: BaseException) -> None:
        """End the span of a request that was not answered."""
        try:
            self._http.fail(span, request.method, *_where(request.url), exception)
        except Exception as error:
            self._guard.caught("httpx fail", error)


class _WithoutQuery(logging.Filter):
    """Takes query and user information out of the line that httpx writes of each request: they may hold secrets."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        arguments = record.args
        if isinstance(arguments, tuple) and any(isinstance(each, httpx.URL) for each in arguments):
            record.args = tuple(_bare(each) if isinstance(each, httpx.URL) else each for each in arguments)
        return True


def _bare(url: httpx.URL) -> httpx.URL:
    return url.copy_with(query=None, userinfo=b"", fragment=None)


def _where(url: httpx.URL) -> tuple[str, str, int | None, str]:
    return url.scheme, url.host, url.port, url.raw_path.partition(b"?")[0].decode("ascii", "replace")


def _carry(headers: httpx.Headers, carried: dict[str, str]) -> None:
    # By `raw` since `in` decodes all headers first, 5 us.
    if "tracestate" not in carried and any(name.lower() == b"tracestate" for name, _ in headers.raw):
        del headers["tracestate"]
    # One by one: `update` takes 16 us, this 5.
    for name, value in carried.items():
        headers[name] = value


def _wrapped(http: _Httpx, original: Callable[..., httpx.Response]) -> Callable[..., httpx.Response]:
    @wraps(original)
    def send(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        started = http.start(request)
        if started is None:
            return original(self, request, **options)
        span, token = started
        try:
            response = original(self, request, **options)
        except BaseException as exception:
            http.fail(span, request, exception)
            raise
        finally:
            otel_context.detach(token)
        http.finish(span, request, response)
        return response

    return send


def _wrapped_async(
    http: _Httpx, original: Callable[..., Coroutine[Any, Any, httpx.Response]]
) -> "Callable[..., CoroutineType[Any, Any, httpx.Response]]":
    @wraps(original)
    async def send(self: httpx.AsyncClient, request: httpx.Request, **options: Any) -> httpx.Response:
        started = http.start(request)
        if started is None:
            return await original(self, request, **options)
        span, token = started
        try:
            response = await original(self, request, **options)
        except BaseException as exception:
            http.fail(span, request, exception)
            raise
        finally:
            otel_context.detach(token)
        http.finish(span, request, response)
        return response

    return send
