"""HTTP requests as seen by a server: start, finish and fail, shared by every server skin.

Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/ and http-metrics/.
"""

from collections.abc import Iterable, Sequence
from contextvars import Token
from functools import lru_cache
from time import perf_counter_ns

from opentelemetry.context import Context
from opentelemetry.trace import StatusCode, set_span_in_context

from instrumentation import semconv
from instrumentation.baggage import parse_baggage, with_baggage
from instrumentation.context import (
    SPAN_KEY,
    as_span_context,
    enter,
    joined,
    new_request_id,
    parse_traceparent,
    parse_tracestate,
    sane_request_id,
)
from instrumentation.encode import otlp
from instrumentation.encode import span as encode_span
from instrumentation.integrations.boundary import enter_ignored
from instrumentation.integrations.http_records import (
    ACCESS_LOGGER,
    DURATION_SECONDS,
    Entry,
    json_record,
    log_record,
    new_entry,
    records,
    span_record,
)
from instrumentation.integrations.request_span import HELD_BYTES, Key, RequestSpan
from instrumentation.signals.log import render_json
from instrumentation.signals.signals import Signals
from instrumentation.signals.sink import Parts, Record
from instrumentation.signals.span import Span

MAX_ENTRIES = 4096
MAX_UNKNOWN_METHODS = 64
"""Of the entries, those whose method is none of HTTP's own: strangers make methods up."""
MAX_METHOD_CHARACTERS = 64
MAX_CALLER_BYTES = 256
"""Kept of a user agent and of a host, also by what caches them."""

_CARRIED_HEADERS = frozenset((b"traceparent", b"tracestate", b"baggage", b"x-request-id", b"user-agent", b"host"))


class HttpServer:
    """Turns each request of a server into a SERVER span, a duration and an access line."""

    __slots__ = (
        "_access_log",
        "_duration",
        "_endings",
        "_entries",
        "_logs",
        "_scope",
        "_tracer",
        "_tracers",
        "_trust",
        "_unknown_methods",
    )

    def __init__(self, signals: Signals, scope_name: str) -> None:
        self._tracers = signals.tracers
        self._tracer = signals.tracers.get_tracer(scope_name)
        self._scope = otlp.scope(scope_name)
        self._logs = signals.logs
        self._access_log = signals.settings.access_log
        self._endings = signals.endings if self._access_log else None
        self._trust = signals.settings.trust
        self._duration = signals.metrics.histogram(
            semconv.HTTP_SERVER_REQUEST_DURATION,
            unit="s",
            description="Duration of HTTP server requests.",
            boundaries=semconv.DURATION_BOUNDARIES_SECONDS,
        )
        self._entries: dict[Key, Entry] = {}
        self._unknown_methods = 0

    def start(self, method: str, headers: Iterable[tuple[bytes, bytes]]) -> tuple[RequestSpan, Token[Context]] | None:
        """Start the span of a request and make it the current one; None while the kit is off.

        The parent comes from the headers or there is none: the ambient context may be a previous request's
        (python/cpython#140947). Where the trace starts here too, a request ID is the trace's: one id finds both.

        Args:
            method: Request method.
            headers: Name in lower case and value of each header line.
        """
        target = self._tracers.target
        if target is None:
            return None
        traceparent = tracestate = baggage = request_id = user_agent = host = b""
        for name, value in headers:
            if name not in _CARRIED_HEADERS:
                continue
            if name == b"user-agent":
                user_agent = value if len(value) <= MAX_CALLER_BYTES else value[:MAX_CALLER_BYTES]
            elif name == b"host":
                host = value if len(value) <= MAX_CALLER_BYTES else value[:MAX_CALLER_BYTES]
            elif name == b"traceparent":
                traceparent = value if not traceparent else b"invalid"  # W3C: more than one is none
            elif name == b"x-request-id":
                request_id = value
            elif name == b"tracestate":
                tracestate = joined(tracestate, value) if tracestate else value
            else:
                baggage = joined(baggage, value) if baggage else value
        remote = parse_traceparent(traceparent) if traceparent else None
        if remote is not None and tracestate:
            remote = remote._replace(trace_state=parse_tracestate(tracestate))
        span = RequestSpan(self, target, self._scope, method, remote if self._trust == "continue" else None)
        if remote is not None and self._trust == "link":
            span.add_link(as_span_context(remote))
        context: Context | None = None
        carried = ""
        if baggage and self._trust == "continue":
            entries = parse_baggage(baggage)
            carried = entries.pop(semconv.REQUEST_ID, "")
            context = with_baggage(Context(), entries)
        if request_id or carried:
            span.request_id = sane_request_id(request_id or carried.encode("ascii", "replace")) or new_request_id()
        else:
            span.request_id = span.trace_id.hex() if remote is None else new_request_id()
        if span.sampled and (user_agent or host):
            span.encoded = _caller(user_agent, host)
        # One dict instead of three copies of it: 1 us.
        current = Context({SPAN_KEY: span}) if context is None else set_span_in_context(span, context)
        return span, enter(current)

    def start_ignored(self) -> Token[Context] | None:
        """Make the current context one in which nothing is traced, for health checks and scrapes."""
        return enter_ignored(self._tracer)

    def finish(
        self,
        span: RequestSpan,
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
        span.duration_ns = perf_counter_ns() - span.start_counter_ns
        span.key = (method, route, status, scheme)
        span.path = path = path[: otlp.MAX_VALUE_CHARACTERS]
        span.is_stream = streaming
        if exception is not None:
            span.fail(exception)
        elif status >= 500:
            span.set_status(StatusCode.ERROR)
        size = HELD_BYTES + len(path)
        if span.own or span.details:
            size += _bytes_set(span)
        span.size = size
        # A span that the service ended itself is sent; one that a forked child ends is the parent's.
        if self._endings is not None and span.sampled and not span.ended and span.settings is self._tracers.target:
            span.ended = True
            self._endings.add(span)
        else:
            self._deliver(span, size)

    def records(self, span: RequestSpan) -> tuple[Record, Record, Record]:
        """Make span, log record and line of a request that has ended, and observe its duration."""
        return records(self._parts(span))

    def _parts(self, span: RequestSpan) -> Parts:
        """Observe the duration of a request; return what its records are made of."""
        try:
            entry = self._entries[span.key]
        except KeyError:
            entry = self._entry(*span.key)
        trace_id, span_id, sampled, start_ns = span.trace_id, span.span_id, span.sampled, span.start_ns
        end_ns = start_ns + span.duration_ns
        if not span.is_stream:
            if sampled:
                entry.cell.observe(span.duration_ns / 1e9, trace_id, span_id, end_ns)
            else:
                entry.cell.observe(span.duration_ns / 1e9)
        more = span.encoded
        if span.own or span.details:
            entry, more = _merged(span, entry)
        # In the order of `http_records.parts`.
        return entry, trace_id, span_id, span.parent, sampled, start_ns, end_ns, span.path, span.request_id, more

    def _deliver(self, span: RequestSpan, size: int) -> None:
        """Hand the records on one by one: where a signal is off, sampled out, printed otherwise or read by others."""
        parts = self._parts(span)
        if span.sampled and not span.ended:
            span.ended = True
            span.settings.sink.defer(span_record, parts, size)
        if self._access_log:
            logs = self._logs
            if logs.records is not None:
                logs.records.defer(log_record, parts, size)
            if logs.lines is not None:
                if logs.render is render_json:
                    logs.lines.defer(json_record, parts, size)
                else:
                    self._write_line(span, parts[0])

    def _write_line(self, span: RequestSpan, entry: Entry) -> None:
        fields = {**entry.fields, semconv.URL_PATH: span.path, DURATION_SECONDS: span.duration_ns / 1e9}
        logs, end_ns = self._logs, span.start_ns + span.duration_ns
        line = logs.render(logs.service_name, entry.level, ACCESS_LOGGER, entry.event, fields, span.as_parent(), end_ns)
        if logs.lines is not None:
            logs.lines.write(line)

    def _entry(self, method: str, route: str | None, status: int, scheme: str) -> Entry:
        entry = new_entry(self._scope, self._logs.service_name, self._duration.cell, method, route, status, scheme)
        if method in semconv.KNOWN_METHODS:
            may_stay = len(self._entries) < MAX_ENTRIES
        else:
            may_stay = len(method) <= MAX_METHOD_CHARACTERS and self._unknown_methods < MAX_UNKNOWN_METHODS
            self._unknown_methods += may_stay
        if may_stay:
            self._entries[method, route, status, scheme] = entry
        return entry


def _merged(span: Span, entry: Entry) -> tuple[Entry, bytes]:
    """Return what a span with attributes, events or a status of its own is encoded from: the service's values win."""
    own = b"".join(span.own.values()) if span.own else b""
    details = span.details.encoded() if span.details else b""
    encoded = span.unless_overridden(entry.attributes, entry.encoded)
    return entry if encoded is entry.encoded else entry._replace(encoded=encoded), span.encoded + own + details


def _bytes_set(span: Span) -> int:
    """Return the size of the attributes and events that were set on a span."""
    details = span.details
    size = sum(map(len, span.own.values())) if span.own else 0
    return size if details is None else size + sum(map(len, details.events)) + sum(map(len, details.links))


def response_headers(span: Span) -> Sequence[tuple[bytes, bytes]]:
    """Return the headers that tell a caller its request ID and, by W3C `traceresponse`, its trace."""
    traceresponse = f"00-{span.trace_id.hex()}-{span.span_id.hex()}-{'01' if span.sampled else '00'}"
    return (b"x-request-id", span.request_id.encode()), (b"traceresponse", traceresponse.encode())


@lru_cache(maxsize=1024)
def _caller(user_agent: bytes, host: bytes) -> bytes:
    """Encode what a client said of itself, at most `MAX_CALLER_BYTES` each; cached: 1024 of them, some 1 MiB."""
    attributes: dict[str, object] = {}
    if user_agent:
        attributes[semconv.USER_AGENT_ORIGINAL] = user_agent.decode("latin-1")
    name, _, port = host.decode("latin-1").rpartition(":")
    if port.isdecimal() and name and len(port) < 6:
        attributes[semconv.SERVER_ADDRESS], attributes[semconv.SERVER_PORT] = name, int(port)
    elif host:
        attributes[semconv.SERVER_ADDRESS] = host.decode("latin-1")
    return encode_span.attributes(attributes)
