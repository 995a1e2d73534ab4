"""RPC calls as seen by both sides: start and finish, shared by every skin.

Source: https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/, rpc-metrics/ and grpc/.
"""

from collections.abc import Mapping
from contextvars import Token

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Span as ApiSpan
from opentelemetry.trace import SpanKind, StatusCode

from instrumentation import semconv
from instrumentation.guard import Guard
from instrumentation.integrations import boundary
from instrumentation.integrations.boundary import Labels, Repeated
from instrumentation.signals.metric import Histogram
from instrumentation.signals.signals import Signals
from instrumentation.signals.span import Span, Tracer

GRPC = "grpc"
OTHER_METHOD = "_OTHER"
"""Stands for a method that the server does not have, so that a stranger cannot add series."""
SERVER_ERRORS = frozenset(("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"))
"""Status codes that are the server's failure and not the caller's. Source: semconv/rpc/grpc/."""


class Messages:
    """Tells a call's span of its messages: one event each, numbered from 1 in each direction.

    Args:
        span: Of the call.
    """

    __slots__ = ("_received", "_sent", "_span")

    def __init__(self, span: ApiSpan) -> None:
        self._span = span
        self._received = 0
        self._sent = 0

    def received(self) -> None:
        """Tell that a message has come."""
        self._received += 1
        self._tell("RECEIVED", self._received)

    def sent(self) -> None:
        """Tell that a message is on its way."""
        self._sent += 1
        self._tell("SENT", self._sent)

    def _tell(self, direction: str, number: int) -> None:
        self._span.add_event(
            semconv.RPC_MESSAGE_EVENT, {semconv.RPC_MESSAGE_TYPE: direction, semconv.RPC_MESSAGE_ID: number}
        )


class RpcServer:
    """Turns each call that a server serves into a SERVER span and a duration.

    Attributes:
        guard: For the skins' own failures.
        tells_messages: Whether messages are events of the span.
    """

    __slots__ = ("_duration", "_repeated", "_tracer", "_trust", "guard", "tells_messages")

    def __init__(self, signals: Signals, scope_name: str) -> None:
        self._tracer: Tracer = signals.tracers.get_tracer(scope_name)
        self.guard: Guard = signals.guard
        self._trust = signals.settings.trust
        self.tells_messages: bool = signals.settings.rpc_message_events
        self._duration = _duration(signals, semconv.RPC_SERVER_CALL_DURATION, "an incoming")
        self._repeated: dict[tuple[str, str], Repeated] = {}

    def start(self, method: str, metadata: Mapping[str, str]) -> tuple[Span, Token[Context]] | None:
        """Start the span of a call and make it the current one; None while the kit is off.

        Args:
            method: `package.Service/Method`.
            metadata: What came with the call, names in lower case.
        """
        try:
            return boundary.enter(self._tracer, self._trust, method, SpanKind.SERVER, metadata)
        except Exception as error:
            self.guard.caught("rpc server start", error)
            return None

    def start_ignored(self) -> Token[Context] | None:
        """Make the current context one in which nothing is traced, for health checks."""
        return boundary.enter_ignored(self._tracer)

    def finish(self, span: Span, method: str, code: str, exception: BaseException | None = None) -> None:
        """End the span and observe the duration.

        Args:
            span: From `start`.
            method: As given to `start`, or `_OTHER`.
            code: Name of the status code, such as `OK`.
            exception: What the handler failed with; None if it set the code itself.
        """
        try:
            failed = code in SERVER_ERRORS
            if isinstance(exception, Exception):
                span.fail(exception)
            elif failed:
                span.set_status(StatusCode.ERROR)
            entry = self._repeated.get((method, code))
            if entry is None:
                entry = _repeat(method, SpanKind.SERVER, code, {}, self._duration, failed=failed)
                if len(self._repeated) < boundary.MAX_REPEATED:
                    self._repeated[method, code] = entry
            boundary.finish(span, entry, boundary.request_id_attribute(span))
        except Exception as error:
            self.guard.caught("rpc server finish", error)

    def refuse(self, method: str, metadata: Mapping[str, str]) -> None:
        """Record a call of a method that the server does not have."""
        started = self.start(OTHER_METHOD, metadata)
        if started is None:
            return
        span, token = started
        otel_context.detach(token)
        span.set_attribute(semconv.RPC_METHOD_ORIGINAL, method[: boundary.MAX_NAME_CHARACTERS])
        self.finish(span, OTHER_METHOD, "UNIMPLEMENTED")


class RpcClient:
    """Turns each call of a client into a CLIENT span and a duration.

    Attributes:
        guard: For the skins' own failures.
        tells_messages: Whether messages are events of the span.
    """

    __slots__ = ("_duration", "_repeated", "_tracer", "guard", "tells_messages")

    def __init__(self, signals: Signals, scope_name: str) -> None:
        self._tracer: Tracer = signals.tracers.get_tracer(scope_name)
        self.guard: Guard = signals.guard
        self.tells_messages: bool = signals.settings.rpc_message_events
        self._duration = _duration(signals, semconv.RPC_CLIENT_CALL_DURATION, "an outgoing")
        self._repeated: dict[tuple[str, str, int, str], Repeated] = {}

    def start(self, method: str) -> Span | None:
        """Start the span of a call; None while the kit is off or instrumentation is suppressed."""
        try:
            return boundary.leave(self._tracer, method, SpanKind.CLIENT, semconv.RPC_RESEND_COUNT)
        except Exception as error:
            self.guard.caught("rpc client start", error)
            return None

    def finish(self, span: Span, method: str, address: str, port: int, code: str, details: str = "") -> None:
        """End the span and observe the duration.

        Args:
            span: From `start`.
            method: As given to `start`.
            address: Host name or IP address; empty if unknown.
            port: 0 if unknown.
            code: Name of the status code, such as `OK`.
            details: The status' text.
        """
        try:
            failed = code != "OK"
            if failed:
                span.set_status(StatusCode.ERROR, f"{code}: {details}" if details else code)
            key = (method, address, port, code)
            entry = self._repeated.get(key)
            if entry is None:
                server: Labels = {semconv.SERVER_ADDRESS: address} if address else {}
                if port:
                    server[semconv.SERVER_PORT] = port
                entry = _repeat(method, SpanKind.CLIENT, code, server, self._duration, failed=failed)
                if len(self._repeated) < boundary.MAX_REPEATED:
                    self._repeated[key] = entry
            boundary.finish(span, entry)
        except Exception as error:
            self.guard.caught("rpc client finish", error)


def _duration(signals: Signals, name: str, what: str) -> Histogram:
    return signals.metrics.histogram(
        name,
        unit="s",
        description=f"Measures the duration of {what} Remote Procedure Call (RPC).",
        boundaries=semconv.DURATION_BOUNDARIES_SECONDS,
    )


def _repeat(method: str, kind: SpanKind, code: str, server: Labels, duration: Histogram, *, failed: bool) -> Repeated:
    labels: Labels = {
        semconv.RPC_SYSTEM_NAME: GRPC,
        semconv.RPC_METHOD: method,
        semconv.RPC_RESPONSE_STATUS_CODE: code,
        **server,
    }
    if failed:
        labels[semconv.ERROR_TYPE] = code
    # The convention's name for a method that is not known: the system alone.
    name = method if method != OTHER_METHOD else GRPC
    return boundary.repeated(name, kind, labels, {}, duration)
