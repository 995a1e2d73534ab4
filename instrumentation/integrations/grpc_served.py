"""One gRPC call that a server serves: what wraps its handler, and what its end says about the status."""

from contextvars import Token
from types import TracebackType
from typing import Any, Self, cast

import grpc
import grpc.aio
from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, INVALID_SPAN_CONTEXT, NonRecordingSpan, SpanContext, get_current_span
from opentelemetry.trace import Span as ApiSpan
from typing_extensions import override

from instrumentation.context import Parent, parent_of
from instrumentation.integrations.rpc import RpcServer
from instrumentation.signals.span import Span

CODE_NAMES: dict[object, str] = {
    key: code.name for code in grpc.StatusCode for key in (code, cast("tuple[int, str]", code.value)[0])
}
"""Names of status codes by code and by number: `ServicerContext.code()` gives either."""
DEADLINE_TOLERANCE = 0.02
DEADLINE_TOLERANCE_SECONDS = 0.005
"""A call cancelled when no more than this, and no more than that share of its time, was left has met its deadline.

gRPC rounds a timeout up by at most 1 % on its way to the server.
"""


class Served:
    """One call under way, from the handler's start to its end.

    Args:
        rpc: The protocol's part.
        method: `package.Service/Method`.
        context: The handler's.
        owns_context: Whether the context variables here are this call's own, and gone with it.
    """

    __slots__ = ("_context", "_method", "_owns_context", "_rpc", "_started")

    def __init__(self, rpc: RpcServer, method: str, owns_context: bool, context: Any) -> None:
        self._rpc = rpc
        self._method = method
        self._owns_context = owns_context
        self._context = context
        self._started: tuple[Span, Token[Context]] | None = None

    def __enter__(self) -> Self:
        try:
            metadata = metadata_of(self._context.invocation_metadata())
        except Exception as error:
            self._rpc.guard.caught("grpc metadata", error)
            metadata = {}
        self._started = self._rpc.start(self._method, metadata)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._started is None:
            return
        span, token = self._started
        code = _code(self._context, exception, span)
        failure = exception if isinstance(exception, Exception) and not _is_status(exception, code) else None
        self._rpc.finish(span, self._method, code, failure)
        # gRPC writes a line about a failure after this: what is left as the current span gives it the call's ids.
        if failure is None or not self._owns_context:
            _leave(span, token)


class Ignored:
    """One call of a health check or of reflection."""

    __slots__ = ("_rpc", "_span", "_token")

    def __init__(self, rpc: RpcServer, context: Any) -> None:
        del context
        self._rpc = rpc
        self._span: ApiSpan = INVALID_SPAN
        self._token: Token[Context] | None = None

    def __enter__(self) -> Self:
        self._token = self._rpc.start_ignored()
        self._span = get_current_span()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._token is not None:
            _leave(self._span, self._token)


class LateSpan(NonRecordingSpan):
    """Stands for a span that is started later, in another thread.

    Attributes:
        span: None until it is started.
    """

    def __init__(self) -> None:
        super().__init__(INVALID_SPAN_CONTEXT)
        self.span: ApiSpan | None = None

    @override
    def get_span_context(self) -> SpanContext:
        return INVALID_SPAN_CONTEXT if self.span is None else self.span.get_span_context()

    def as_parent(self) -> Parent | None:
        """Return the span's identity."""
        return None if self.span is None else parent_of(self.span)


class ThreadContext:
    """A handler's context in a thread of grpc.aio, which cannot tell the code that was set: this one can."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._set: object = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def code(self) -> object:
        """Return the code that was set; None if none was."""
        return self._set

    def set_code(self, code: grpc.StatusCode) -> None:
        """Set the code of the call's status."""
        self._set = code
        self._context.set_code(code)

    def abort(self, code: grpc.StatusCode, *details: Any, **options: Any) -> None:
        """End the call with a status, by raising."""
        self._set = code
        self._context.abort(code, *details, **options)


def metadata_of(pairs: Any) -> dict[str, str]:
    """Return metadata as a dict; of several values of a key the last."""
    return dict(pairs) if pairs else {}


def _leave(span: ApiSpan, token: Token[Context]) -> None:
    """Detach, unless a generator is closed in another task, where the span is not the current one."""
    if get_current_span() is span:
        otel_context.detach(token)


def _code(context: Any, exception: BaseException | None, span: Span) -> str:
    try:
        name = CODE_NAMES.get(context.code(), "OK")
        if name != "OK":
            return name
        if not (_is_gone(context) if exception is None or isinstance(exception, Exception) else True):
            return "OK" if exception is None else "UNKNOWN"
        remaining = context.time_remaining()
    except Exception:  # a context that cannot tell: then the exception does
        remaining = None
        if exception is None or isinstance(exception, Exception):
            return "OK" if exception is None else "UNKNOWN"
    late = DEADLINE_TOLERANCE_SECONDS + DEADLINE_TOLERANCE * span.elapsed_ns() / 1e9
    return "DEADLINE_EXCEEDED" if remaining is not None and remaining < late else "CANCELLED"


def _is_gone(context: Any) -> bool:
    """Tell whether the client has gone, which a handler in a thread is not interrupted by."""
    is_active = getattr(context, "is_active", None)
    return is_active is not None and not is_active()


def _is_status(exception: Exception, code: str) -> bool:
    """Tell whether an exception stands for a status and is no failure of the code.

    That is `context.abort` (with threads its exception is bare), and what a request iterator raises when the client has
    gone.
    """
    return isinstance(exception, grpc.aio.AbortError) or (
        type(exception) in (Exception, grpc.RpcError) and not exception.args and code != "UNKNOWN"
    )
