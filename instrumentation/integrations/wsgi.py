"""WSGI: requests of an application become SERVER spans, durations and access lines, as those of ASGI do.

The span ends when the server closes the response's iterable; what the iterable runs has the span as its parent.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from instrumentation.guard import Guard
from instrumentation.integrations.asgi import EXCEPTION, METRICS_PATH, PROBES
from instrumentation.integrations.http import HttpServer, response_headers
from instrumentation.integrations.request_span import RequestSpan
from instrumentation.signals.signals import Signals

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
WSGIApp = Callable[[Environ, Any], Iterable[bytes]]
FindWsgiRoute = Callable[[Environ], str | None]
"""Finds the full route template of a request, while its response starts; None if no route matched."""
Scrape = Callable[[str, str], tuple[bytes, str] | None]
"""Takes `Accept` and `Authorization`, returns body and content type of `/metrics`; None if the application serves that
path itself. Raises PermissionError if who asks may not see it."""

SCOPE_NAME = "instrumentation.wsgi"
_OBSERVED = "instrumentation.wsgi"
_CARRIED = (
    ("HTTP_TRACEPARENT", b"traceparent"),
    ("HTTP_TRACESTATE", b"tracestate"),
    ("HTTP_BAGGAGE", b"baggage"),
    ("HTTP_X_REQUEST_ID", b"x-request-id"),
    ("HTTP_USER_AGENT", b"user-agent"),
    ("HTTP_HOST", b"host"),
)


class StartResponse(Protocol):
    """What a server hands to an application."""

    def __call__(self, status: str, headers: Headers, exc_info: Any = None, /) -> Callable[[bytes], object]:
        """Begin the response; return what writes to it directly."""
        ...


class WsgiMiddleware:
    """A WSGI application around another.

    Args:
        app: What it wraps.
        signals: Where the records go.
        find_route: See `FindWsgiRoute`.
        scrape: See `Scrape`.
    """

    def __init__(self, app: WSGIApp, signals: Signals, find_route: FindWsgiRoute, scrape: Scrape) -> None:
        self.app = app
        self._http = HttpServer(signals, SCOPE_NAME)
        self._guard = signals.guard
        self._find_route = find_route
        self._scrape = scrape

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if _OBSERVED in environ:
            return self.app(environ, start_response)
        environ[_OBSERVED] = True
        path = path_of(environ)
        if path in PROBES or path == METRICS_PATH:
            return self._unobserved(environ, start_response, path)
        try:
            started = self._http.start(environ["REQUEST_METHOD"], carried(environ))
        except Exception as error:
            self._guard.caught("wsgi start", error)
            started = None
        if started is None:
            return self.app(environ, start_response)
        span, token = started
        response = _Response(self._http, self._guard, self._find_route, span, environ, path, start_response)
        try:
            body = self.app(environ, response.start)
        except BaseException as exception:
            response.finish(exception)
            raise
        finally:
            otel_context.detach(token)
        return response.observed(body)

    def _unobserved(self, environ: Environ, start_response: StartResponse, path: str) -> Iterable[bytes]:
        if path == METRICS_PATH and environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            try:
                scraped = self._scrape(environ.get("HTTP_ACCEPT", ""), environ.get("HTTP_AUTHORIZATION", ""))
            except PermissionError:
                start_response("401 Unauthorized", [("WWW-Authenticate", "Bearer"), ("Content-Length", "0")])
                return [b""]
            if scraped is not None:
                body, content_type = scraped
                start_response("200 OK", [("Content-Type", content_type), ("Content-Length", str(len(body)))])
                return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]
        token = self._http.start_ignored()
        try:
            return self.app(environ, start_response)
        finally:
            if token is not None:
                otel_context.detach(token)


class _Response:
    """Watches one response, and ends the span once."""

    def __init__(
        self,
        http: HttpServer,
        guard: Guard,
        find_route: FindWsgiRoute,
        span: RequestSpan,
        environ: Environ,
        path: str,
        start_response: StartResponse,
    ) -> None:
        self._http = http
        self._guard = guard
        self._find_route = find_route
        self._span = span
        self._environ = environ
        self._path = path
        self._start_response = start_response
        self._context = otel_context.get_current()
        self._status = 0
        self._route: str | None = None
        self._sized = self._finished = False
        self.parts = 0

    def start(self, status: str, headers: Headers, exc_info: Any = None, /) -> Callable[[bytes], object]:
        """Begin the response; the route is found now, since frameworks forget it when they return."""
        try:
            self._status = int(status[:3])
            self._route = self._find_route(self._environ)
            names = {name.lower() for name, _ in headers}
            self._sized = "content-length" in names
            ours = ((name.decode(), value.decode()) for name, value in response_headers(self._span))
            headers = [*headers, *(header for header in ours if header[0] not in names)]
        except Exception as error:
            self._guard.caught("wsgi response", error)
        return self._start_response(status, headers, exc_info) if exc_info else self._start_response(status, headers)

    def observed(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """Return what the server is to iterate."""
        if is_whole(body, self._environ):
            self.finish(None)
            return body
        return Body(body, self._context, self)

    def finish(self, exception: BaseException | None) -> None:
        """End the span."""
        if self._finished:
            return
        self._finished = True
        failed = exception if isinstance(exception, Exception) else self._environ.get(EXCEPTION)
        try:
            method, scheme = self._environ["REQUEST_METHOD"], self._environ.get("wsgi.url_scheme", "http")
            streaming = self.parts > 1 and not self._sized
            status = self._status or 500
            self._http.finish(self._span, method, self._route, status, self._path, scheme, streaming, failed)
        except Exception as error:
            self._guard.caught("wsgi finish", error)


class Body:
    """A response's iterable, each of whose parts is made in the request's context.

    Args:
        body: Of the application.
        context: Of the request.
        response: Told of each part and of the end.
    """

    def __init__(self, body: Iterable[bytes], context: Context, response: _Response | None = None) -> None:
        self._body = body
        self._parts: Iterator[bytes] | None = None
        self._response = response
        self._context = context

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        token = otel_context.attach(self._context)
        try:
            if self._parts is None:
                self._parts = iter(self._body)
            part = next(self._parts)
        except StopIteration:
            raise
        except BaseException as exception:
            self._finish(exception)
            raise
        finally:
            otel_context.detach(token)
        if self._response is not None:
            self._response.parts += 1
        return part

    def close(self) -> None:
        """Close the application's iterable, as the server does at the end or when the client has gone."""
        close: Callable[[], None] | None = getattr(self._body, "close", None)
        token = otel_context.attach(self._context)
        try:
            if close is not None:
                close()
        except BaseException as exception:
            self._finish(exception)
            raise
        finally:
            otel_context.detach(token)
            self._finish(None)

    def _finish(self, exception: BaseException | None) -> None:
        if self._response is not None:
            self._response.finish(exception)


def carried(environ: Environ) -> list[tuple[bytes, bytes]]:
    """Return the headers that the kit reads."""
    return [(name, environ[key].encode("latin-1")) for key, name in _CARRIED if key in environ]


def is_whole(body: Iterable[bytes], environ: Environ) -> bool:
    """Tell whether nothing of the application runs when the server iterates the body.

    A server knows its own file wrapper by its class, and sends such a file by itself.
    """
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(body, list | tuple) or (isinstance(wrapper, type) and isinstance(body, wrapper))


def path_of(environ: Environ) -> str:
    """Return the request's path; WSGI hands it over as the bytes it came as, in the clothes of latin-1."""
    raw: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return raw.encode("latin-1", "replace").decode("utf-8", "replace") or "/"


def no_wsgi_route(environ: Environ) -> str | None:
    """Find no route: for applications whose routing is unknown."""
    del environ
    return None
