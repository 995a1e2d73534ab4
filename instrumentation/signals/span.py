"""Spans: the OpenTelemetry API's Span and Tracer over attributes that are encoded once, when they are set.

Measured on CPython 3.11: the SDK's span, batch and encode cost 60 to 100 us; this way a span costs a few.
"""

import functools
import inspect
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import Token
from copy import copy
from time import perf_counter_ns, time_ns
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import Attributes, AttributeValue
from typing_extensions import override

from instrumentation import redaction, semconv
from instrumentation.context import RANDOM, SPAN_KEY, Parent, as_trace_state, new_ids, new_span_id, parent_of
from instrumentation.encode import otlp
from instrumentation.encode import span as encode
from instrumentation.encode.attribute import attribute
from instrumentation.guard import Guard
from instrumentation.sampling import Sampler
from instrumentation.signals.misuse import guarded, is_time, text
from instrumentation.signals.sink import Sink

P = ParamSpec("P")
R = TypeVar("R")

_KIND_NUMBER = {kind: kind.value + 1 for kind in SpanKind}  # OTLP's numbers start at 1, the API's at 0
DEFERRED_BYTES = 480
"""What an ended span holds until it is encoded, beside its attributes: tuples, ids, times, parent, rounded up."""


class SpanSettings:
    """What all spans of a process share.

    Attributes:
        sink: Where ended spans go.
        sampler: Whether a span is kept.
        max_attributes: Per span, event or link; further ones are counted as dropped.
        max_events: Per span.
        max_links: Per span.
        max_value_characters: Of one attribute value.
        guard: Told of what a method could not do.
        redact: Whether secrets are taken out of attributes and messages.
        start_span: Makes spans that somebody else decides on or listens to; None: the kit makes its own.
    """

    __slots__ = (
        "guard",
        "max_attributes",
        "max_events",
        "max_links",
        "max_value_characters",
        "redact",
        "sampler",
        "sink",
        "start_span",
    )

    def __init__(
        self,
        sink: Sink,
        sampler: Sampler,
        *,
        max_attributes: int = 128,
        max_events: int = 128,
        max_links: int = 128,
        max_value_characters: int = otlp.MAX_VALUE_CHARACTERS,
        redact: bool = True,
        start_span: "StartSpan | None" = None,
        guard: Guard | None = None,
    ) -> None:
        self.guard = Guard() if guard is None else guard
        self.redact = redact
        self.sink = sink
        self.start_span = start_span
        self.sampler = sampler
        self.max_attributes = max_attributes
        self.max_events = max_events
        self.max_links = max_links
        self.max_value_characters = max_value_characters

    def succeed(self, orphans: Sink) -> "SpanSettings":
        """Return the same for a forked child; what was started with this, which the parent ends, goes to `orphans`."""
        heir = copy(self)
        self.sink = orphans
        return heir


class Details:
    """What few spans have.

    Attributes:
        events: Encoded.
        links: Encoded.
        dropped: Attributes, events and links beyond the limits.
        status: Code and description.
    """

    __slots__ = ("dropped", "events", "links", "status")

    def __init__(self) -> None:
        self.events: list[bytes] = []
        self.links: list[bytes] = []
        self.dropped = [0, 0, 0]
        self.status: tuple[int, str] = (0, "")

    def encoded(self) -> bytes:
        """Encode the fields of the span message."""
        return b"".join((*self.events, *self.links, encode.status(*self.status), encode.dropped(*self.dropped)))


class Span(trace.Span):
    """A span of this process; one that is not sampled carries its identity and records nothing.

    Attributes:
        trace_id: 16 bytes.
        span_id: 8 bytes.
        sampled: Whether it is recorded and exported.
        parent: What it continues; None for a root.
        request_id: Request ID that it serves, empty if there is none.
        name: As set last.
        kind: The API's kind.
        start_ns: Unix time, nanoseconds.
        start_counter_ns: `perf_counter_ns()` of the start; 0 if the start was given: it has no counterpart there.
        own: Attributes set by `set_attribute`, each encoded; None if there are none.
        encoded: Attributes that an integration encoded before.
        details: Events, links, status; None if there are none.
        ended: Whether it has ended.
    """

    __slots__ = (
        "_context",
        "_scope",
        "details",
        "encoded",
        "ended",
        "kind",
        "name",
        "own",
        "parent",
        "request_id",
        "sampled",
        "settings",
        "span_id",
        "start_counter_ns",
        "start_ns",
        "trace_id",
    )

    def __init__(
        self,
        settings: SpanSettings,
        scope: bytes,
        name: str,
        kind: SpanKind,
        parent: Parent | None,
        start_ns: int | None = None,
    ) -> None:
        self.parent = parent
        if parent is None:
            ids = new_ids()
            self.trace_id = ids[:16]
            self.span_id = ids[16:]
            self.request_id = ""
        else:
            self.trace_id = parent.trace_id
            self.span_id = new_span_id()
            self.request_id = parent.request_id
        self.sampled = settings.sampler(parent, self.trace_id)
        self.settings = settings
        self._scope = scope
        self.name = name
        self.kind = kind
        self.own: dict[str, bytes] | None = None
        self.encoded = b""
        self.details: Details | None = None
        self._context: SpanContext | None = None
        self.ended = False
        if start_ns is None:
            self.start_ns = time_ns()
            self.start_counter_ns = perf_counter_ns()
        else:
            self.start_ns = start_ns
            self.start_counter_ns = 0

    @property
    def trace_state(self) -> str:
        """W3C `tracestate` text, empty if there is none."""
        return "" if self.parent is None else self.parent.trace_state

    @property
    def is_random(self) -> bool:
        """Whether whoever made the trace id says that it is random; the kit says nothing of its own."""
        return self.parent is not None and self.parent.is_random

    @override
    def get_span_context(self) -> SpanContext:
        """Return the identity as the API's object, made on first use since it costs 2 us."""
        if self._context is None:
            self._context = SpanContext(
                int.from_bytes(self.trace_id, "big"),
                int.from_bytes(self.span_id, "big"),
                is_remote=False,
                trace_flags=TraceFlags(self.sampled + RANDOM * self.is_random),
                trace_state=as_trace_state(self.trace_state),
            )
        return self._context

    def as_parent(self) -> Parent:
        """Return the identity that a child span takes."""
        trace_state, request_id, is_random = self.trace_state, self.request_id, self.is_random
        return Parent(self.trace_id, self.span_id, self.sampled, trace_state, request_id, False, is_random)

    @override
    def is_recording(self) -> bool:
        return self.sampled and not self.ended

    @override
    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Set an attribute; the last value of a key wins, beyond the limit the attribute is counted as dropped."""
        if not self.sampled or self.ended:
            return
        if key.__class__ is not str:
            key = otlp.as_text(key)
        own = self.own
        if own is None:
            own = self.own = {}
        settings = self.settings
        if len(own) >= settings.max_attributes and key not in own:
            self._detailed().dropped[0] += 1
            return
        shown = redaction.attribute(key, value, settings.max_value_characters) if settings.redact else value
        own[key] = attribute(key, shown, settings.max_value_characters)

    @override
    @guarded
    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        for key, value in attributes.items():
            self.set_attribute(key, value)

    @override
    def update_name(self, name: str) -> None:
        if not self.ended:
            self.name = text(name)

    @override
    @guarded
    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status; ok is final, and unset is ignored, as the specification says."""
        code = status.status_code if isinstance(status, Status) else status
        message = status.description if isinstance(status, Status) else description
        if not isinstance(cast("object", code), StatusCode):
            raise TypeError(f"{type(code).__name__} is no status")
        if self.ended or code is StatusCode.UNSET:
            return
        details = self._detailed()
        if details.status[0] != StatusCode.OK.value:
            message = text(message) if message is not None and code is StatusCode.ERROR else ""
            details.status = (code.value, redaction.redacted(message) if self.settings.redact else message)

    @override
    @guarded
    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        if not self.is_recording():
            return
        details = self._detailed()
        if len(details.events) >= self.settings.max_events:
            details.dropped[1] += 1
            return
        time_unix_ns = time_ns() if timestamp is None else timestamp
        shown, limit = self._shown(attributes), self.settings.max_value_characters
        details.events.append(encode.event(text(name), time_unix_ns, shown, limit))

    @override
    @guarded
    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        if not self.is_recording():
            return
        details = self._detailed()
        if len(details.links) >= self.settings.max_links:
            details.dropped[2] += 1
            return
        bits = int(context.trace_flags) | encode.HAS_IS_REMOTE | (encode.IS_REMOTE if context.is_remote else 0)
        details.links.append(
            encode.link(
                context.trace_id.to_bytes(16, "big"),
                context.span_id.to_bytes(8, "big"),
                context.trace_state.to_header(),
                self._shown(attributes),
                bits,
                self.settings.max_value_characters,
            )
        )

    @guarded
    def add_links(self, links: Iterable[Link]) -> None:
        """Link other spans, in order."""
        for link in links:
            self.add_link(link.context, link.attributes)

    @override
    @guarded
    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        if not self.is_recording():
            return
        stacktrace = "".join(traceback.format_exception(exception))[-self.settings.max_value_characters :]
        details: dict[str, AttributeValue] = {
            semconv.EXCEPTION_TYPE: exception_name(exception),
            semconv.EXCEPTION_MESSAGE: otlp.as_text(exception),
            semconv.EXCEPTION_STACKTRACE: stacktrace,
            semconv.EXCEPTION_ESCAPED: str(escaped),
            **({} if attributes is None else attributes),
        }
        self.add_event(semconv.EXCEPTION_EVENT, details, timestamp)

    def fail(self, exception: BaseException) -> None:
        """Record an exception that leaves the span's scope, and set the error status."""
        self.record_exception(exception, escaped=True)
        self.set_status(StatusCode.ERROR, f"{type(exception).__name__}: {otlp.as_text(exception)}")

    @override
    def end(self, end_time: int | None = None) -> None:
        """End the span and hand it on; a second call does nothing.

        Args:
            end_time: Unix time, nanoseconds. By default the start plus what the monotonic clock measured.
        """
        if not is_time(end_time):
            end_time = self.start_ns + perf_counter_ns() - self.start_counter_ns if self.start_counter_ns else time_ns()
        self.finish(encode.name_and_kind(self.name, _KIND_NUMBER[self.kind]), b"", end_time)

    def finish(self, name_kind: bytes, attributes: bytes, end_ns: int) -> None:
        """End the span with parts that the caller encoded before, as integrations do per route.

        Args:
            name_kind: From `encode.span.name_and_kind`.
            attributes: Encoded entries of Span.attributes whose keys were not set by `set_attribute`.
            end_ns: Unix time, nanoseconds.
        """
        if self.ended:
            return
        self.ended = True
        if not self.sampled:
            return
        more = self.encoded
        if self.own:
            more += b"".join(self.own.values())
        if self.details is not None:
            more += self.details.encoded()
        start_ns = self.start_ns
        parts = (
            self._scope,
            self.trace_id,
            self.span_id,
            self.parent,
            name_kind,
            start_ns,
            max(start_ns, end_ns),
            attributes,
            more,
        )
        self.settings.sink.defer(encode.finished, parts, DEFERRED_BYTES + len(attributes) + len(more))

    def set_encoded(self, attributes: bytes) -> None:
        """Add attributes that an integration encoded before; their keys must not be set otherwise."""
        self.encoded += attributes

    def overridden(self, keys: Iterable[str]) -> frozenset[str]:
        """Return those of the keys that `set_attribute` was called with: the service's own value wins."""
        return frozenset(self.own).intersection(keys) if self.own else frozenset()

    def unless_overridden(self, attributes: Mapping[str, bytes], encoded: bytes) -> bytes:
        """Return an integration's attributes without those that `set_attribute` was called with: the service's win.

        Args:
            attributes: By key, each encoded.
            encoded: The same, joined; returned as it is if nothing is overridden.
        """
        taken = self.overridden(attributes)
        return b"".join([part for key, part in attributes.items() if key not in taken]) if taken else encoded

    def elapsed_ns(self) -> int:
        """Return the nanoseconds since the start, never negative; 0 if the start was given explicitly."""
        return perf_counter_ns() - self.start_counter_ns if self.start_counter_ns else 0

    def _shown(self, attributes: Attributes) -> Mapping[str, object]:
        if attributes is None:
            return {}
        return (
            redaction.attributes(attributes, self.settings.max_value_characters) if self.settings.redact else attributes
        )

    def _detailed(self) -> Details:
        if self.details is None:
            self.details = Details()
        return self.details


StartSpan = Callable[
    [SpanSettings, bytes, str, SpanKind, Parent | None, int | None, Attributes, Sequence[Link] | None, Context | None],
    Span,
]
"""Makes a span: settings, scope, name, kind, parent, start (ns), attributes, links, context that it starts in."""


def exception_name(exception: BaseException) -> str:
    """Return the qualified name of an exception's type, without `builtins`."""
    kind = type(exception)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


class ActiveSpan:
    """Make a span the current one: a context manager, and a decorator for functions and coroutine functions."""

    __slots__ = ("_arguments", "_end", "_record", "_set_status", "_span", "_start", "_token")

    def __init__(
        self, start: Callable[..., trace.Span], arguments: tuple[Any, ...], end: bool, record: bool, set_status: bool
    ) -> None:
        self._start = start
        self._arguments = arguments
        self._end = end
        self._record = record
        self._set_status = set_status
        self._span: trace.Span = trace.INVALID_SPAN
        self._token: Token[Context] | None = None

    def __enter__(self) -> trace.Span:
        span = self._span = self._start(*self._arguments)
        # As `set_span_in_context`, which copies the context twice: 0.4 us less.
        self._token = otel_context.attach(Context({**otel_context.get_current(), SPAN_KEY: span}))
        return span

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, tb: TracebackType | None
    ) -> None:
        span, token = self._span, self._token
        # A generator may be closed in another task, where the span is not the current one and must not be detached.
        if token is not None and otel_context.get_current().get(SPAN_KEY) is span:
            otel_context.detach(token)
        if exception is not None and isinstance(exception, Exception):
            if self._record:
                span.record_exception(exception, escaped=True)
            if self._set_status:
                span.set_status(StatusCode.ERROR, f"{type(exception).__name__}: {otlp.as_text(exception)}")
        if self._end:
            span.end()

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Wrap a function so that each call runs in a span of its own."""
        return _decorate(function, self._again)

    def _again(self) -> Self:
        return type(self)(self._start, self._arguments, self._end, self._record, self._set_status)


def _decorate(function: Callable[P, R], new: Callable[[], ActiveSpan]) -> Callable[P, R]:
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: P.args, **kwargs: P.kwargs) -> Any:
            with new():
                return await cast("Any", function(*args, **kwargs))

        return cast("Callable[P, R]", run_async)

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with new():
            return function(*args, **kwargs)

    return run


class Tracer(trace.Tracer):
    """Makes the spans of one instrumentation scope."""

    __slots__ = ("_provider", "_scope")

    def __init__(self, provider: "TracerProvider", scope: bytes) -> None:
        self._provider = provider
        self._scope = scope

    def start(self, name: str, kind: SpanKind, parent: Parent | None, start_ns: int | None = None) -> Span | None:
        """Start a span with a known parent; None while the kit is off."""
        settings = self._provider.target
        if settings is None:
            return None
        if settings.start_span is not None:
            return settings.start_span(settings, self._scope, name, kind, parent, start_ns, None, None, None)
        return Span(settings, self._scope, name, kind, parent, start_ns)

    @override
    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> trace.Span:
        name = text(name)
        kind = kind if isinstance(cast("object", kind), SpanKind) else SpanKind.INTERNAL
        start_time = start_time if is_time(start_time) else None
        around = otel_context.get_current() if context is None else context
        current = cast("trace.Span | None", around.get(SPAN_KEY))
        parent = None if current is None else parent_of(current)
        settings = self._provider.target
        if settings is not None and settings.start_span is not None:
            return settings.start_span(settings, self._scope, name, kind, parent, start_time, attributes, links, around)
        span = self.start(name, kind, parent, start_time)
        if span is None:
            return trace.NonRecordingSpan(trace.get_current_span(context).get_span_context())
        if attributes is not None:
            span.set_attributes(attributes)
        if links is not None:
            span.add_links(links)
        return span

    @override
    def start_as_current_span(  # pyright: ignore[reportIncompatibleMethodOverride] the API's own context manager type is private
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> ActiveSpan:
        arguments = (name, context, kind, attributes, links, start_time)
        return ActiveSpan(self.start_span, arguments, end_on_exit, record_exception, set_status_on_exception)


class TracerProvider(trace.TracerProvider):
    """The process' permanent tracer provider: its target is swapped by `instrument`, `uninstrument` and tests.

    OpenTelemetry's global provider can be set only once, so it must outlive each of them.

    Attributes:
        target: What spans are made with; None while the kit is off.
    """

    def __init__(self) -> None:
        self.target: SpanSettings | None = None

    @override
    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> Tracer:
        return Tracer(self, otlp.scope(instrumenting_module_name, instrumenting_library_version, attributes))
