"""HTTP requests as seen by a client: start, finish and fail, shared by every client skin.

Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/ and http-metrics/.
"""

from functools import lru_cache

from opentelemetry import context as otel_context
from opentelemetry.context import (
    _SUPPRESS_HTTP_INSTRUMENTATION_KEY as SUPPRESS_HTTP,  # pyright: ignore[reportPrivateUsage] the API has no public name for it
)
from opentelemetry.trace import SpanKind, StatusCode

from instrumentation import semconv
from instrumentation.encode import span as encode
from instrumentation.integrations import boundary
from instrumentation.integrations.boundary import Labels, Repeated
from instrumentation.signals.signals import Signals
from instrumentation.signals.span import Span, exception_name

_DEFAULT_PORTS = {"http": 80, "https": 443}


class HttpClient:
    """Turns each request of a client into a CLIENT span and a duration."""

    __slots__ = ("_duration", "_repeated", "_tracer")

    def __init__(self, signals: Signals, scope_name: str) -> None:
        self._tracer = signals.tracers.get_tracer(scope_name)
        self._duration = signals.metrics.histogram(
            semconv.HTTP_CLIENT_REQUEST_DURATION,
            unit="s",
            description="Duration of HTTP client requests.",
            boundaries=semconv.DURATION_BOUNDARIES_SECONDS,
        )
        self._repeated: dict[tuple[str, str, str, int | None, int, str], Repeated] = {}

    def start(self, method: str) -> Span | None:
        """Start the span of a request; None while the kit is off or instrumentation is suppressed."""
        if otel_context.get_value(SUPPRESS_HTTP):
            return None
        return boundary.leave(self._tracer, method, SpanKind.CLIENT, semconv.HTTP_REQUEST_RESEND_COUNT)

    def finish(self, span: Span, method: str, scheme: str, host: str, port: int | None, path: str, status: int) -> None:
        """End the span of a request that was answered.

        Args:
            span: From `start`.
            method: Request method.
            scheme: `http` or `https`.
            host: Without user information.
            port: None if the URL has none.
            path: Without the query, which may hold secrets.
            status: Of the response.
        """
        if status >= 400 and span.sampled:
            span.set_status(StatusCode.ERROR)
        self._end(span, (method, scheme, host, port, status, str(status) if status >= 400 else ""), path)

    def fail(
        self, span: Span, method: str, scheme: str, host: str, port: int | None, path: str, exception: BaseException
    ) -> None:
        """End the span of a request that was not answered; arguments as of `finish`."""
        if isinstance(exception, Exception):
            span.fail(exception)
        else:
            span.set_status(StatusCode.ERROR, type(exception).__name__)
        self._end(span, (method, scheme, host, port, 0, exception_name(exception)), path)

    def _end(self, span: Span, key: tuple[str, str, str, int | None, int, str], path: str) -> None:
        entry = self._repeated.get(key)
        if entry is None:
            entry = self._repeat(*key)
            if len(self._repeated) < boundary.MAX_REPEATED:
                self._repeated[key] = entry
        url = b"" if not span.sampled or span.overridden((semconv.URL_FULL,)) else _url(*key[1:4], path)
        boundary.finish(span, entry, url)

    def _repeat(self, method: str, scheme: str, host: str, port: int | None, status: int, error_type: str) -> Repeated:
        known = method if method in semconv.KNOWN_METHODS else semconv.OTHER_METHOD
        labels: Labels = {semconv.HTTP_REQUEST_METHOD: known, semconv.SERVER_ADDRESS: host}
        port = port if port is not None else _DEFAULT_PORTS.get(scheme)
        if port is not None:
            labels[semconv.SERVER_PORT] = port
        if status:
            labels[semconv.HTTP_RESPONSE_STATUS_CODE] = status
        if error_type:
            labels[semconv.ERROR_TYPE] = error_type
        extra: Labels = {semconv.HTTP_REQUEST_METHOD_ORIGINAL: method[:64]} if known != method else {}
        name = known if known != semconv.OTHER_METHOD else "HTTP"
        return boundary.repeated(name, SpanKind.CLIENT, labels, extra, self._duration)


# Bounded: paths are many, so the oldest makes room for the newest.
@lru_cache(maxsize=1024)
def _url(scheme: str, host: str, port: int | None, path: str) -> bytes:
    location = f"[{host}]" if ":" in host else host
    if port is not None:
        location = f"{location}:{port}"
    return encode.attribute(semconv.URL_FULL, f"{scheme}://{location}{path}")
