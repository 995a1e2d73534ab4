"""Samplers and span processors of the SDK, asked for each span that starts, told of each that ends."""

from collections.abc import Sequence
from typing import Any, cast

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.util.types import Attributes
from typing_extensions import override

from instrumentation.context import RANDOM, Parent, as_trace_state
from instrumentation.encode import span as encode
from instrumentation.guard import Guard
from instrumentation.sdk.readable import CurrentResource, readable_span
from instrumentation.signals.sink import Encode, Parts, Sink
from instrumentation.signals.span import Span, SpanSettings


class ObservedSpan(Span):
    """A span that a processor may read while it runs, as it would the SDK's."""

    __slots__ = ("_resource", "_state")
    parent: Parent | None

    def observe(self, resource: CurrentResource, state: str) -> None:
        """Remember what a reader may ask for."""
        self._resource = resource
        self._state = state

    def _readable_span(self) -> ReadableSpan:
        """Return the span as it is now, by the name that the SDK has for it."""
        return readable_span(self._scope, self._encode_now(), self._resource())

    def _encode_now(self) -> bytes:
        more = self.encoded + b"".join((self.own or {}).values())
        if self.details is not None:
            more += self.details.encoded()
        name_kind = encode.name_and_kind(self.name, self.kind.value + 1)
        ids = (self._scope, self.trace_id, self.span_id, self.parent)
        return encode.finished((*ids, name_kind, self.start_ns, 0, b"", more))[1]

    @property
    @override
    def trace_state(self) -> str:
        return self._state

    def set_trace_state(self, state: str) -> None:
        """Carry another `tracestate` than the parent's, as a sampler may want."""
        self._state = state
        if self.parent is not None:
            self.parent = self.parent._replace(trace_state=state)
        elif state:
            self.set_encoded(encode.trace_state(state))

    def __getattr__(self, name: str) -> Any:
        """Read `attributes`, `context`, `events`, `resource` and the like from a readable copy."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._readable_span(), name)


class SpanObservers:
    """What the service has registered, and how to reach it.

    Args:
        sampler: Asked instead of the kit's own; None: the kit's own decides.
        processors: Told of starts and ends, in this order.
        resource: Of the process.
        guard: Told of one that raises.
    """

    def __init__(
        self, sampler: Sampler | None, processors: Sequence[SpanProcessor], resource: CurrentResource, guard: Guard
    ) -> None:
        self._sampler = sampler
        self._processors = processors
        self._resource = resource
        self._guard = guard

    def start(
        self,
        settings: SpanSettings,
        scope: bytes,
        name: str,
        kind: SpanKind,
        parent: Parent | None,
        start_ns: int | None,
        attributes: Attributes,
        links: Sequence[Link] | None,
        context: Context | None,
    ) -> Span:
        """Start a span: ask the sampler, then tell the processors."""
        span = ObservedSpan(settings, scope, name, kind, parent, start_ns)
        span.observe(self._resource, "" if parent is None else parent.trace_state)
        around = _context_of(parent) if context is None else context
        if self._sampler is not None:
            self._sample(self._sampler, span, around, attributes, links)
        span.set_attributes(attributes or {})
        for link in links or ():
            span.add_link(link.context, link.attributes)
        if span.sampled:
            for processor in self._processors:
                try:
                    processor.on_start(span, around)  # pyright: ignore[reportArgumentType] it has what processors read of the SDK's span
                except Exception as error:
                    self._guard.caught(f"on_start of {type(processor).__name__}", error)
        return span

    def ended(self, scope: bytes, record: bytes) -> None:
        """Tell the processors of a span that has ended."""
        readable = readable_span(scope, record, self._resource())
        for processor in self._processors:
            try:
                processor.on_end(readable)
            except Exception as error:
                self._guard.caught(f"on_end of {type(processor).__name__}", error)

    def _sample(
        self,
        sampler: Sampler,
        span: ObservedSpan,
        around: Context,
        attributes: Attributes,
        links: Sequence[Link] | None,
    ) -> None:
        trace_id = int.from_bytes(span.trace_id, "big")
        try:
            result = sampler.should_sample(around, trace_id, span.name, span.kind, attributes, links)
        except Exception as error:
            self._guard.caught(f"sampler {type(sampler).__name__}", error)
            return
        span.sampled = result.decision.is_sampled()
        state = result.trace_state.to_header() if result.trace_state else ""
        if state != span.trace_state:
            span.set_trace_state(state)
        span.set_attributes(dict(cast("Attributes", result.attributes) or {}))


class SpanTap:
    """A sink that hands spans on and shows them to the processors."""

    def __init__(self, inner: Sink, observers: SpanObservers, guard: Guard) -> None:
        self._inner = inner
        self._observers = observers
        self._guard = guard

    def add(self, scope: bytes, record: bytes) -> None:
        """Accept a span."""
        self._inner.add(scope, record)
        self._show(scope, record)

    def defer(self, encode: Encode, parts: Parts, size: int) -> None:
        """Accept a span that is encoded here, since its readers want it now."""
        del size
        self.add(*encode(parts))

    def _show(self, scope: bytes, record: bytes) -> None:
        try:
            self._observers.ended(scope, record)
        except Exception as error:
            self._guard.caught("span processors", error)


def _context_of(parent: Parent | None) -> Context:
    """Return the context that a span starts in: that of its parent, and never another request's."""
    if parent is None:
        return Context()
    context = SpanContext(
        int.from_bytes(parent.trace_id, "big"),
        int.from_bytes(parent.span_id, "big"),
        parent.is_remote,
        TraceFlags(parent.sampled + RANDOM * parent.is_random),
        as_trace_state(parent.trace_state),
    )
    return set_span_in_context(NonRecordingSpan(context), Context() if parent.is_remote else otel_context.get_current())
