"""Where calls leave and enter the process: the part that HTTP clients, RPC and messaging share.

A protocol caches a Repeated for each combination of labels that it has seen, so that a span's end costs a few joins.
"""

from collections.abc import Mapping
from contextvars import Token
from typing import Any, NamedTuple, cast

from opentelemetry import baggage as otel_baggage
from opentelemetry import context as otel_context
from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY as SUPPRESS,  # pyright: ignore[reportPrivateUsage] the API has no public name for it
)
from opentelemetry.context import Context
from opentelemetry.trace import Span as ApiSpan
from opentelemetry.trace import SpanKind, set_span_in_context

from instrumentation import semconv
from instrumentation.baggage import with_baggage
from instrumentation.context import (
    RESEND_KEY,
    SPAN_KEY,
    Parent,
    as_span_context,
    incoming,
    new_ids,
    new_request_id,
    outgoing_headers,
    parent_of,
    sane_request_id,
)
from instrumentation.encode import span as encode
from instrumentation.signals.metric import Histogram, HistogramCell
from instrumentation.signals.passed import PassedSpan
from instrumentation.signals.span import Span, Tracer

MAX_REPEATED = 4096
"""Cached combinations of labels per protocol; further ones are encoded each time."""
MAX_NAME_CHARACTERS = 256
"""Kept of a name that comes from a stranger."""
PROPAGATION_FIELDS = ("traceparent", "tracestate", "baggage", semconv.REQUEST_ID_HEADER)

Labels = dict[str, str | int]


class Repeated(NamedTuple):
    """What repeats for each combination of labels.

    Attributes:
        name_kind: Encoded span name and kind.
        attributes: Span attributes by key, each encoded.
        encoded: The same, joined.
        cell: The duration histogram's series, in seconds.
    """

    name_kind: bytes
    attributes: Mapping[str, bytes]
    encoded: bytes
    cell: HistogramCell


def repeated(name: str, kind: SpanKind, labels: Labels, extra: Labels, duration: Histogram) -> Repeated:
    """Encode what repeats.

    Args:
        name: Of the span.
        kind: Of the span.
        labels: Attributes of both the span and the metric.
        extra: Attributes of the span alone.
        duration: In seconds.
    """
    attributes = {key: encode.attribute(key, value) for key, value in {**labels, **extra}.items()}
    name_kind = encode.name_and_kind(name, kind.value + 1)  # OTLP's numbers start at 1, the API's at 0
    return Repeated(name_kind, attributes, b"".join(attributes.values()), duration.cell(labels))


def finish(span: Span, entry: Repeated, extra: bytes = b"") -> None:
    """End the span and observe its duration.

    Args:
        span: From `enter` or `leave`.
        entry: What repeats.
        extra: Encoded span attributes of this call alone.
    """
    duration_ns = span.elapsed_ns()
    if not span.sampled:
        entry.cell.observe(duration_ns / 1e9)
        return
    entry.cell.observe(duration_ns / 1e9, span.trace_id, span.span_id)
    encoded = span.unless_overridden(entry.attributes, entry.encoded)
    span.finish(entry.name_kind, encoded + extra, span.start_ns + duration_ns)


def leave(tracer: Tracer, name: str, kind: SpanKind, resend_count: str = "") -> Span | None:
    """Start the span of an outgoing call, a child of the current one; None while the kit is off or suppressed.

    Args:
        tracer: Of the integration.
        name: Of the span.
        kind: CLIENT or PRODUCER.
        resend_count: Attribute for the number of attempts before this one, if it is a retry.
    """
    context = otel_context.get_current()
    if context.get(SUPPRESS):
        return None
    current = cast("ApiSpan | None", context.get(SPAN_KEY))
    span = tracer.start(name, kind, None if current is None else parent_of(current))
    if span is not None and not span.request_id:
        carried = otel_baggage.get_baggage(semconv.REQUEST_ID, context)
        if isinstance(carried, str):
            span.request_id = sane_request_id(carried.encode("ascii", "replace"))
    if span is not None and resend_count:
        resends = context.get(RESEND_KEY)
        if isinstance(resends, int):
            span.set_attribute(resend_count, resends)
    return span


def make_current(span: Span) -> Token[Context]:
    """Make the span of an outgoing call the current one, until the token is detached."""
    return otel_context.attach(Context({**otel_context.get_current(), SPAN_KEY: span}))


def replaced(headers: Mapping[str, str], span: Span) -> dict[str, str]:
    """Return a copy of the headers that carries the span; trace headers that were there before are gone."""
    carried = outgoing_headers(span)
    if "tracestate" in headers and "tracestate" not in carried:
        headers = {name: value for name, value in headers.items() if name != "tracestate"}
    return {**headers, **carried}


def enter(
    tracer: Tracer, trust: str, name: str, kind: SpanKind, headers: Mapping[str, str], *, context: Context | None = None
) -> tuple[Span, Token[Context]] | None:
    """Start the span of an incoming call and make it the current one; None while the kit is off.

    The parent comes from the headers or there is none: the ambient context may be a previous call's
    (python/cpython#140947).

    Args:
        tracer: Of the protocol.
        trust: `continue` the caller's trace, `link` to it from a new one, or `ignore` it.
        name: Of the span.
        kind: Of the span.
        headers: Headers or metadata with lower-case names.
        context: What the span is put into; default: an empty one.
    """
    remote, entries, request_id = incoming(headers)
    span = tracer.start(name, kind, remote if trust == "continue" else None)
    if span is None:
        return None
    if isinstance(span, PassedSpan):
        span, context = _passed(trust, remote, entries, request_id, context)
        return span, otel_context.attach(context)
    if remote is not None and trust == "link":
        span.add_link(as_span_context(remote))
    span.request_id = request_id or new_request_id()
    around = {SPAN_KEY: span} if context is None else {**context, SPAN_KEY: span}
    if entries and trust == "continue":
        return span, otel_context.attach(with_baggage(Context(around), entries))
    return span, otel_context.attach(Context(around))


def passed_context(trust: str, headers: Mapping[str, str]) -> Context:
    """Return the context of an incoming call while the SDK is disabled; arguments as of `enter`."""
    return _passed(trust, *incoming(headers), None)[1]


def _passed(
    trust: str, remote: Parent | None, entries: Mapping[str, str], request_id: str, context: Context | None
) -> tuple[Any, Context]:
    """Return what stands for the caller's span, and a context with it and the baggage, in which is the request ID."""
    trusted = trust == "continue"
    span = PassedSpan(remote if trusted else None)
    span.request_id = request_id
    carried = {**(entries if trusted else {}), **({semconv.REQUEST_ID: request_id} if request_id else {})}
    return span, set_span_in_context(span, with_baggage(Context() if context is None else context, carried))


def request_id_attribute(span: Span) -> bytes:
    """Encode the request ID, which server and consumer spans carry; nothing if it is not sampled."""
    return encode.request_id(span.request_id) if span.sampled else b""


def enter_ignored(tracer: Tracer) -> Token[Context] | None:
    """Make the current context one in which nothing is traced, for health checks; None while the kit is off."""
    ids = new_ids()
    span = tracer.start("ignored", SpanKind.SERVER, Parent(ids[:16], ids[16:], sampled=False))
    if span is None or isinstance(span, PassedSpan):
        return None
    span.sampled = False
    return otel_context.attach(set_span_in_context(span, Context()))
