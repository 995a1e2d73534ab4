"""Identify traces, spans and requests, and carry them between processes by W3C trace context and baggage.

Sources: https://www.w3.org/TR/trace-context-2/ and https://www.w3.org/TR/baggage/.
"""

import os
import re
from binascii import unhexlify
from collections.abc import Callable, Mapping
from contextvars import Token
from random import Random
from struct import Struct
from struct import error as StructError  # noqa: N812 it is a class
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

from opentelemetry import baggage as otel_baggage
from opentelemetry.context import (
    _RUNTIME_CONTEXT,  # pyright: ignore[reportPrivateUsage] no public name
    Context,
    attach,
    detach,
    get_current,
)
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    Span,
    SpanContext,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)
from typing_extensions import override

from instrumentation.baggage import MAX_BAGGAGE_BYTES, format_baggage, parse_baggage, with_baggage
from instrumentation.semconv import REQUEST_ID, REQUEST_ID_HEADER

RESEND_KEY = "instrumentation.resends"
"""Context key of the number of attempts that were made before the one under way."""
MAX_TRACESTATE_BYTES = 2048
"""All lines together, four times what W3C asks for; a longer one is ignored whole. Each span of the trace holds it."""
MAX_TRACESTATE_MEMBERS = 32
MAX_REQUEST_ID_BYTES = 128
MAX_HEADER_BYTES = 8192
"""Read of one header, over all of its lines; a longer one is ignored whole, and never copied."""

RANDOM = 0x02
"""Bit of the flags, since level 2: the last 7 bytes of the trace id are random."""

SPAN_KEY = next(iter(set_span_in_context(INVALID_SPAN, Context())))
"""Where the API keeps the current span in a context; it has no public name."""

_OVER_BUDGET = b"," * (MAX_HEADER_BYTES + 1)
_MEMBER_KEY = "[a-z0-9][a-z0-9_*/@-]{0,255}"
_MEMBER_VALUE = "[ -+\\--<>-~]{0,255}[!-+\\--<>-~]"
_MEMBER = re.compile(f"({_MEMBER_KEY})={_MEMBER_VALUE}")
"""One of `tracestate`, by level 2: any key with `@` in it is one."""
_API_KEY = "[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13}"
_API_MEMBER = re.compile(f"(?:{_API_KEY})={_MEMBER_VALUE}")
"""One that OpenTelemetry's class takes, by level 1; of another it logs the whole text."""
_TRACEPARENT = Struct("B16s8sB").unpack
"""Version, trace id, span id, flags; of these bit 0 is `sampled`."""
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
_REQUEST_ID_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/+=@~"
_random = Random()  # noqa: S311 ids must be unique, not secret
random_bits = _random.getrandbits
"""Draws an integer of so many random bits, of which ids are made."""
os.register_at_fork(after_in_child=_random.seed)

_current: Any = getattr(_RUNTIME_CONTEXT, "_current_context", None)
current: Callable[[], Context] = get_current if _current is None else _current.get
"""Returns the current context, as the API's `get_current` does."""
enter: Callable[[Context], "Token[Context]"] = attach if _current is None else _current.set
"""Makes a context the current one, as the API's `attach` does, without its three frames: 0.5 us less."""
_leave: Callable[["Token[Context]"], None] = detach if _current is None else _current.reset


def leave(token: "Token[Context]") -> None:
    """Make the context before `enter` the current one again; in another context than that, do nothing."""
    try:
        _leave(token)
    except ValueError:
        return


class Parent(NamedTuple):
    """A span that a new span continues, in this process or another.

    Attributes:
        trace_id: 16 bytes, not all zero.
        span_id: 8 bytes, not all zero.
        sampled: Whether its own process keeps the trace.
        trace_state: `tracestate` text, empty if there is none.
        request_id: Request ID that goes with it, empty if there is none.
        is_remote: Whether it came from another process.
        is_random: Whether whoever made the trace id says that its last 7 bytes are random.
    """

    trace_id: bytes
    span_id: bytes
    sampled: bool
    trace_state: str = ""
    request_id: str = ""
    is_remote: bool = True
    is_random: bool = False


class Identity(Protocol):
    """What a log record or exemplar tells of the span it belongs to; spans of the kit have it, and `Parent`."""

    @property
    def trace_id(self) -> bytes:
        """16 bytes."""
        ...

    @property
    def span_id(self) -> bytes:
        """8 bytes."""
        ...

    @property
    def sampled(self) -> bool:
        """Whether its process keeps the trace."""
        ...

    @property
    def request_id(self) -> str:
        """Empty if there is none."""
        ...


def seed_ids(seed: int) -> Callable[[], None]:
    """Make the ids that follow the same in each run, for tests. Returns what makes them random again."""
    state = _random.getstate()
    _random.seed(seed)
    return lambda: _random.setstate(state)


def new_ids() -> bytes:
    """Draw 24 random bytes: a trace id (16), then a span id (8). One draw, since each costs 0.1 us."""
    return _random.getrandbits(192).to_bytes(24, "big")


def new_span_id() -> bytes:
    """Draw 8 random bytes."""
    return _random.getrandbits(64).to_bytes(8, "big")


def new_request_id() -> str:
    """Make a request ID of 32 hexadecimal digits."""
    return _random.getrandbits(128).to_bytes(16, "big").hex()


def sane_request_id(value: bytes) -> str:
    """Return a stranger's request ID as text, or an empty string if it is not fit to be logged and passed on.

    At most 128 of the letters, digits and `-_.:/+=@~`: no line breaks, quotes, control characters or blanks.
    """
    if not value or len(value) > MAX_REQUEST_ID_BYTES or value.translate(None, _REQUEST_ID_ALPHABET):
        return ""
    return value.decode("ascii")


def joined(lines: bytes, line: bytes) -> bytes:
    """Join the lines of one header; beyond the budget what is returned is one that no parser takes."""
    return lines + b"," + line if len(lines) + len(line) < MAX_HEADER_BYTES else _OVER_BUDGET


def parse_traceparent(value: bytes) -> Parent | None:
    """Parse a `traceparent` header; None if it is invalid, so that a new trace starts."""
    if len(value) != 55:
        if len(value) > MAX_HEADER_BYTES:
            return None
        value = value.strip(b" \t")  # what surrounds a value is no part of it, but not every server takes it away
    if len(value) != 55:
        if len(value) < 56 or value[55] != 45 or value[:2] == b"00":
            return None
        value = value[:55]  # a future version may append fields
    if value[2] != 45 or value[35] != 45 or value[52] != 45 or value[:2] == b"ff" or value != value.lower():
        return None
    try:
        # At once and not field by field: 0.3 us of 1.1. Another hyphen leaves too little, which the length tells.
        _, trace_id, span_id, flags = _TRACEPARENT(unhexlify(value.replace(b"-", b"")))
    except (ValueError, StructError):
        return None
    if trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    if flags <= TraceFlags.SAMPLED:
        return Parent(trace_id, span_id, flags == TraceFlags.SAMPLED)
    return Parent(trace_id, span_id, bool(flags & TraceFlags.SAMPLED), is_random=bool(flags & RANDOM))


def parse_tracestate(value: bytes) -> str:
    """Return a `tracestate` header as text; empty if it breaks a limit or a rule, which discards it whole.

    Of members with the same key the first stays.
    """
    if not value or len(value) > MAX_TRACESTATE_BYTES:
        return ""
    members: dict[str, str] = {}
    for part in value.decode("latin-1").split(","):
        member = part.strip(" \t")
        if member:
            match = _MEMBER.fullmatch(member)
            if match is None:
                return ""
            members.setdefault(match[1], member)
    return ",".join(members.values()) if len(members) <= MAX_TRACESTATE_MEMBERS else ""


def as_trace_state(text: str) -> TraceState | None:
    """Return a parsed `tracestate` as the API's object, without members that it cannot hold; None if there are none."""
    members = [member for member in text.split(",") if _API_MEMBER.fullmatch(member)] if text else ()
    return TraceState.from_header([",".join(members)]) if members else None


def parent_of(span: Span) -> Parent | None:
    """Return the identity of any OpenTelemetry span, None if it has none."""
    as_parent: Callable[[], Parent | None] | None = getattr(span, "as_parent", None)
    if as_parent is not None:  # a span of the kit, which need not make the API's object: that costs 2 us
        return as_parent()
    span_context = span.get_span_context()
    if not span_context.is_valid:
        return None
    return Parent(
        span_context.trace_id.to_bytes(16, "big"),
        span_context.span_id.to_bytes(8, "big"),
        span_context.trace_flags.sampled,
        span_context.trace_state.to_header(),
        getattr(span, REQUEST_ID, ""),
        span_context.is_remote,
        bool(span_context.trace_flags & RANDOM),
    )


_ORIGIN = "_clew_origin"


def remember_origin(exception: BaseException, span: Span) -> None:
    """Let an exception that leaves a span carry its identity, for whoever logs it further out, as servers do."""
    try:
        setattr(exception, _ORIGIN, parent_of(span))
    except Exception:
        return  # a type that takes no attributes


def origin_of(exception: BaseException) -> Parent | None:
    """Return the identity of the span that an exception has left, None if it carries none."""
    return getattr(exception, _ORIGIN, None)


def current_identity() -> Identity | None:
    """Return the identity of the current span, None if there is none. A span of the kit is its own, made by no call."""
    span: Any = current().get(SPAN_KEY)
    if span is None:
        return None
    return span if hasattr(span, "start_counter_ns") else parent_of(span)


def outgoing_headers(
    span: Span | None = None, context: Context | None = None, baggage_bytes: int = MAX_BAGGAGE_BYTES
) -> dict[str, str]:
    """Return the headers that let another process continue this one's trace, request and baggage.

    Args:
        span: Span to continue; default: the context's current one.
        context: Where the baggage is; default: the current one.
        baggage_bytes: At most so long; what does not fit is left out.
    """
    span = get_current_span(context) if span is None else span
    headers: dict[str, str] = {}
    # A span of the kit is its own identity: to make another object of it costs 1 us.
    identity: Any = span if hasattr(span, "start_counter_ns") else parent_of(span)
    request_id = ""
    if identity is not None:
        flags = identity.sampled + RANDOM * identity.is_random
        headers["traceparent"] = f"00-{identity.trace_id.hex()}-{identity.span_id.hex()}-0{flags}"
        if identity.trace_state:
            headers["tracestate"] = identity.trace_state
        request_id = identity.request_id
    entries = otel_baggage.get_all(context)
    if not request_id and REQUEST_ID in entries:
        request_id = sane_request_id(_as_bytes(str(entries[REQUEST_ID])))
    if request_id:
        headers[REQUEST_ID_HEADER] = request_id
        if not entries:  # the usual case, which needs no check: a sane one is short
            # The usual one is of digits and letters: to quote it costs 1.5 us.
            quoted = request_id if request_id.isalnum() else quote(request_id, safe="")
            headers["baggage"] = f"{REQUEST_ID}={quoted}"
            return headers
        entries = {REQUEST_ID: request_id, **{key: value for key, value in entries.items() if key != REQUEST_ID}}
    if entries and (baggage := format_baggage(entries, baggage_bytes)):
        headers["baggage"] = baggage
    return headers


def incoming(headers: Mapping[str, str]) -> tuple[Parent | None, dict[str, str], str]:
    """Read what `outgoing_headers` wrote, from headers or metadata with lower-case names.

    Returns:
        The remote parent (None if there is no valid one), baggage entries without the request ID, and the request ID
        (empty if there is no sane one).
    """
    parent = parse_traceparent(_as_bytes(headers.get("traceparent")))
    if parent is not None and "tracestate" in headers:
        parent = parent._replace(trace_state=parse_tracestate(_as_bytes(headers["tracestate"])))
    given = headers.get(REQUEST_ID_HEADER)
    request_id = sane_request_id(_as_bytes(given))
    carrier = headers.get("baggage")
    if not carrier or (request_id and carrier == f"{REQUEST_ID}={given}"):  # what the kit itself sends
        return parent, {}, request_id
    entries = parse_baggage(_as_bytes(carrier))
    carried = entries.pop(REQUEST_ID, "")
    return parent, entries, request_id or sane_request_id(carried.encode("ascii", "replace"))


def _as_bytes(value: str | None) -> bytes:
    return value.encode("latin-1", "replace") if value else b""


class RemoteSpan(NonRecordingSpan):
    """The caller's span as the API's object, with the request ID that came along.

    Attributes:
        request_id: Empty if none came.
    """

    def __init__(self, parent: Parent) -> None:
        super().__init__(as_span_context(parent))
        self.request_id = parent.request_id
        self._parent = parent

    def as_parent(self) -> Parent:
        """Return the caller's identity, whole: the API's object cannot hold each `tracestate`."""
        return self._parent


def as_span_context(parent: Parent) -> SpanContext:
    """Return a remote parent as the API's object."""
    return SpanContext(
        int.from_bytes(parent.trace_id, "big"),
        int.from_bytes(parent.span_id, "big"),
        is_remote=True,
        trace_flags=TraceFlags(parent.sampled + RANDOM * parent.is_random),
        trace_state=as_trace_state(parent.trace_state),
    )


class Propagator(TextMapPropagator):
    """The kit's way of carrying context, for whoever uses OpenTelemetry's global propagator."""

    @override
    def inject(
        self, carrier: CarrierT, context: Context | None = None, setter: Setter[CarrierT] = default_setter
    ) -> None:
        for key, value in outgoing_headers(context=context).items():
            setter.set(carrier, key, value)

    @override
    def extract(
        self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = default_getter
    ) -> Context:
        context = get_current() if context is None else context
        found = {field: ",".join(values) for field in self.fields if (values := getter.get(carrier, field))}
        parent, entries, request_id = incoming(found)
        if parent is not None:
            context = set_span_in_context(RemoteSpan(parent._replace(request_id=request_id)), context)
        return with_baggage(context, entries)

    @property
    @override
    def fields(self) -> set[str]:
        """The header names that are written and read."""
        return {"traceparent", "tracestate", "baggage", REQUEST_ID_HEADER}
