"""HTTP requests as seen by a server: start, finish and fail, shared by every server skin.

What repeats per (method, route, status) is encoded once and kept: span name and attributes, the access line and its log
record, the histogram cell. Measured in a running server this leaves about 15 us per request for all three signals.

Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/ and http-metrics/.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import Token
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, SpanKind, StatusCode, set_span_in_context

from instrumentation import semconv
from instrumentation.context import (
    MAX_REQUEST_ID_BYTES,
    as_span_context,
    new_request_id,
    parse_baggage,
    parse_traceparent,
    parse_tracestate,
    sane_request_id,
    with_baggage,
)
from instrumentation.encode import json_line
from instrumentation.encode import log as encode_log
from instrumentation.encode import span as encode_span
from instrumentation.encode.otlp import scope as encode_scope
from instrumentation.integrations.boundary import enter_ignored
from instrumentation.signals.log import ERROR, INFO, Level, render_json
from instrumentation.signals.metric import HistogramCell
from instrumentation.signals.signals import Signals
from instrumentation.signals.span import Span

ACCESS_LOGGER = "access"
DURATION_SECONDS = "duration_seconds"
UNMATCHED = "unmatched"
"""Stands in an access line for the route of a request that matched none; metrics and spans omit `http.route` then."""
MAX_ENTRIES = 4096
SERVER_KIND = 2

SPAN_KEY = next(iter(set_span_in_context(INVALID_SPAN, Context())))
"""Where the API keeps the current span in a context; it has no public name."""

_ACCESS_SCOPE = encode_scope(ACCESS_LOGGER)
_CARRIED_HEADERS = frozenset((b"traceparent", b"tracestate", b"baggage", b"x-request-id", b"user-agent", b"host"))
_DOUBLE = Struct("<d").pack
# LogRecord.attributes entry whose value is a double: everything but the eight bytes of the value is constant.
_DURATION_ATTRIBUTE = encode_log.attribute(DURATION_SECONDS, 0.0)[:-8]


class Entry(NamedTuple):
    """What repeats for each (method, route, status, scheme).

    Attributes:
        name_kind: Encoded span name and kind.
        attributes: Span attributes by key, each encoded.
        encoded: The same, joined.
        cell: Duration histogram's cell, in seconds.
        level: Of the access line.
        event: Of the access line.
        fields: Attributes of the access line besides path and duration.
        log: Encoded severity, body and attributes of the access log record.
        head: Rendered head of the JSON line.
        tail: Rendered attributes of the JSON line.
    """

    name_kind: bytes
    attributes: Mapping[str, bytes]
    encoded: bytes
    cell: HistogramCell
    level: Level
    event: str
    fields: Mapping[str, object]
    log: bytes
    head: str
    tail: str


class HttpServer:
    """Turns each request of a server into a SERVER span, a duration and an access line."""

    __slots__ = ("_access_log", "_duration", "_entries", "_logs", "_service_name", "_tracer", "_trust")

    def __init__(self, signals: Signals, scope_name: str) -> None:
        self._tracer = signals.tracers.get_tracer(scope_name)
        self._logs = signals.logs
        self._service_name = signals.logs.service_name
        self._access_log = signals.settings.access_log
        self._trust = signals.settings.trust
        self._duration = signals.metrics.histogram(
            semconv.HTTP_SERVER_REQUEST_DURATION,
            unit="s",
            description="Duration of HTTP server requests.",
            boundaries=semconv.DURATION_BOUNDARIES_SECONDS,
        )
        self._entries: dict[tuple[str, str | None, int, str], Entry] = {}

    def start(self, method: str, headers: Iterable[tuple[bytes, bytes]]) -> tuple[Span, Token[Context]] | None:
        """Start the span of a request and make it the current one; None while the kit is off.

        The parent comes from the headers or there is none: the ambient context may be a previous request's
        (python/cpython#140947).

        Args:
            method: Request method.
            headers: Name in lower case and value of each header line.
        """
        traceparent = tracestate = baggage = request_id = user_agent = host = b""
        for name, value in headers:
            if name not in _CARRIED_HEADERS:
                continue
            if name == b"user-agent":
                user_agent = value
            elif name == b"host":
                host = value
            elif name == b"traceparent":
                traceparent = value if not traceparent else b"invalid"  # W3C: more than one is none
            elif name == b"x-request-id":
                request_id = value
            elif name == b"tracestate":
                tracestate = tracestate + b"," + value if tracestate else value
            else:
                baggage = baggage + b"," + value if baggage else value
        remote = parse_traceparent(traceparent) if traceparent else None
        if remote is not None and tracestate:
            remote = remote._replace(trace_state=parse_tracestate(tracestate))
        parent = remote if self._trust == "continue" else None
        span = self._tracer.start(method, SpanKind.SERVER, parent)
        if span is None:
            return None
        if remote is not None and self._trust == "link":
            span.add_link(as_span_context(remote))
        context: Context | None = None
        carried = ""
        if baggage and self._trust == "continue":
            entries = parse_baggage(baggage)
            carried = entries.pop(semconv.REQUEST_ID, "")
            context = with_baggage(Context(), entries)
        sane = sane_request_id(request_id) if request_id else sane_request_id(carried.encode("ascii", "replace"))
        span.request_id = sane or new_request_id()
        if span.sampled and (user_agent or host):
            span.set_encoded(_caller(user_agent, host))
        # One dict instead of three copies of it: 1 us.
        current = Context({SPAN_KEY: span}) if context is None else set_span_in_context(span, context)
        return span, otel_context.attach(current)

    def start_ignored(self) -> Token[Context] | None:
        """Make the current context one in which nothing is traced, for health checks and scrapes."""
        return enter_ignored(self._tracer)

    def finish(
        self,
        span: Span,
        method: str,
        route: str | None,
        status: int,
        path: str,
        scheme: str,
        streaming: bool = False,
        exception: BaseException | None = None,
    ) -> None:
        """End the span, observe the duration and write the access line.

        Args:
            span: From `start`.
            method: Request method.
            route: Full route template; None if no route matched.
            status: Response status code, 500 if the application failed before it sent one.
            path: Path without the query.
            scheme: `http` or `https`.
            streaming: Whether the response was a stream, whose duration says nothing about latency.
            exception: What left the application.
        """
        duration_ns = span.elapsed_ns()
        duration_seconds = duration_ns / 1e9
        try:
            entry = self._entries[method, route, status, scheme]
        except KeyError:
            entry = self._entry(method, route, status, scheme)
        sampled = span.sampled
        if not streaming:
            if sampled:
                entry.cell.observe(duration_seconds, span.trace_id, span.span_id)
            else:
                entry.cell.observe(duration_seconds)
        path_parts = _path_parts(path)
        if sampled:
            self._end(span, entry, path_parts.span, status, duration_ns, exception)
        if self._access_log:
            self._write_access(span, entry, path, path_parts, duration_seconds)

    def _end(
        self, span: Span, entry: Entry, path: bytes, status: int, duration_ns: int, exception: BaseException | None
    ) -> None:
        if exception is not None:
            span.fail(exception)
        elif status >= 500:
            span.set_status(StatusCode.ERROR)
        encoded = span.unless_overridden(entry.attributes, entry.encoded)
        request_id = span.request_id
        encoded = encoded + path + _REQUEST_ID_SPAN[len(request_id)] + request_id.encode()
        span.finish(entry.name_kind, encoded, span.start_ns + duration_ns)

    def _write_access(
        self, span: Span, entry: Entry, path: str, path_parts: "PathParts", duration_seconds: float
    ) -> None:
        now_ns = span.start_ns + round(duration_seconds * 1e9)
        logs = self._logs
        request_id = span.request_id
        if logs.records is not None:
            rest = b"".join(
                (
                    entry.log,
                    path_parts.log,
                    _DURATION_ATTRIBUTE,
                    _DOUBLE(duration_seconds),
                    _REQUEST_ID_LOG[len(request_id)],
                    request_id.encode(),
                    encode_log.ids(span.trace_id, span.span_id, sampled=span.sampled),
                )
            )
            logs.records.add(_ACCESS_SCOPE, encode_log.record(now_ns, rest))
        if logs.lines is None:
            return
        if logs.render is render_json:
            tail = f"{entry.tail}{path_parts.line}{duration_seconds:.6f}"
            logs.lines.write(json_line.span_line(now_ns, entry.head, span.trace_id, span.span_id, request_id, tail))
            return
        fields = {**entry.fields, semconv.URL_PATH: path, DURATION_SECONDS: duration_seconds}
        logs.lines.write(
            logs.render(self._service_name, entry.level, ACCESS_LOGGER, entry.event, fields, span.as_parent(), now_ns)
        )

    def _entry(self, method: str, route: str | None, status: int, scheme: str) -> Entry:
        known = method if method in semconv.KNOWN_METHODS else semconv.OTHER_METHOD
        span_name = f"{known if known != semconv.OTHER_METHOD else 'HTTP'}{f' {route}' if route else ''}"
        labels: dict[str, str | int] = {semconv.HTTP_REQUEST_METHOD: known}
        if route is not None:
            labels[semconv.HTTP_ROUTE] = route
        labels[semconv.HTTP_RESPONSE_STATUS_CODE] = status
        labels[semconv.URL_SCHEME] = scheme
        if status >= 500:
            labels[semconv.ERROR_TYPE] = str(status)
        extra = {semconv.HTTP_REQUEST_METHOD_ORIGINAL: method[:64]} if known != method else {}
        attributes = {key: encode_span.attribute(key, value) for key, value in {**labels, **extra}.items()}
        level = ERROR if status >= 500 else INFO
        event = f"{known} {route or UNMATCHED} {status}"
        fields: dict[str, object] = {
            key: value for key, value in labels.items() if key not in (semconv.URL_SCHEME, semconv.ERROR_TYPE)
        }
        entry = Entry(
            encode_span.name_and_kind(span_name, SERVER_KIND),
            attributes,
            b"".join(attributes.values()),
            self._duration.cell(labels),
            level,
            event,
            fields,
            encode_log.severity(level.number, level.text) + encode_log.body(event) + encode_log.attributes(fields),
            json_line.head(level.name, event, ACCESS_LOGGER, self._service_name),
            json_line.fields(fields),
        )
        if len(self._entries) < MAX_ENTRIES:
            self._entries[method, route, status, scheme] = entry
        return entry


def response_headers(span: Span) -> Sequence[tuple[bytes, bytes]]:
    """Return the headers that tell a caller its request ID and, by W3C `traceresponse`, its trace."""
    traceresponse = f"00-{span.trace_id.hex()}-{span.span_id.hex()}-{'01' if span.sampled else '00'}"
    return (b"x-request-id", span.request_id.encode()), (b"traceresponse", traceresponse.encode())


# Bounded caches: paths, clients and request IDs come from strangers, so the oldest makes room for the newest.


class PathParts(NamedTuple):
    """A path in its three encodings.

    Attributes:
        span: Attribute of the span.
        log: Attribute of the log record.
        line: Of the JSON line, up to the value of the duration.
    """

    span: bytes
    log: bytes
    line: str


@lru_cache(maxsize=1024)
def _path_parts(path: str) -> PathParts:
    return PathParts(
        encode_span.attribute(semconv.URL_PATH, path),
        encode_log.attribute(semconv.URL_PATH, path),
        f', "{semconv.URL_PATH}": {json_line.value(path)}, "{DURATION_SECONDS}": ',
    )


@lru_cache(maxsize=1024)
def _caller(user_agent: bytes, host: bytes) -> bytes:
    attributes: dict[str, object] = {}
    if user_agent:
        attributes[semconv.USER_AGENT_ORIGINAL] = user_agent[:256].decode("latin-1")
    name, _, port = host[:256].decode("latin-1").rpartition(":")
    if port.isdecimal() and name and len(port) < 6:
        attributes[semconv.SERVER_ADDRESS], attributes[semconv.SERVER_PORT] = name, int(port)
    elif host:
        attributes[semconv.SERVER_ADDRESS] = host[:256].decode("latin-1")
    return encode_span.attributes(attributes)


def _before_request_id(attribute: Callable[[str, str], bytes]) -> tuple[bytes, ...]:
    """Encode what stands before a request ID's characters in its attribute, by their number: a sane one is ASCII."""
    lengths = range(MAX_REQUEST_ID_BYTES + 1)
    return tuple(encoded[: len(encoded) - n] for n in lengths for encoded in [attribute(semconv.REQUEST_ID, "x" * n)])


_REQUEST_ID_SPAN = _before_request_id(encode_span.attribute)
_REQUEST_ID_LOG = _before_request_id(encode_log.attribute)
