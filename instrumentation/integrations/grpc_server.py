"""grpc's two server skins: wrap the handler that was found, so that its code runs inside of the span's context."""

from asyncio import CancelledError
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextvars import Token
from functools import partial
from inspect import isasyncgenfunction, iscoroutinefunction
from types import TracebackType
from typing import Any, Self, cast

import grpc
import grpc.aio
from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import get_current_span
from typing_extensions import override

from instrumentation.integrations.rpc import RpcServer
from instrumentation.signals.span import Span

IGNORED_SERVICES = ("/grpc.health.v1.", "/grpc.reflection.")
MAX_WRAPPED = 1024
"""Wrapped handlers kept per server; those of one that makes a new handler per call do not pile up."""
DEADLINE_TOLERANCE_SECONDS = 0.005
"""A call cancelled when no more than this was left has met its deadline."""

CODE_NAMES: dict[object, str] = {
    key: code.name for code in grpc.StatusCode for key in (code, cast("tuple[int, str]", code.value)[0])
}
"""Names of status codes by code and by number: `ServicerContext.code()` gives either."""

Handler = Any
"""grpc.RpcMethodHandler, whose fields the package does not type."""
Behavior = Callable[[Any, Any], Any]
Observe = Callable[[Any], "_Served | _Ignored"]

_CONSTRUCTORS: dict[tuple[bool, bool], tuple[str, Callable[..., Handler]]] = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}


class AioServerInterceptor(grpc.aio.ServerInterceptor):
    """Observes the calls of a grpc.aio server."""

    def __init__(self, rpc: RpcServer) -> None:
        self._handlers = _Handlers(rpc)

    @override
    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]], handler_call_details: Any
    ) -> Handler:
        return self._handlers.wrapped(await continuation(handler_call_details), handler_call_details)


class SyncServerInterceptor(grpc.ServerInterceptor):
    """Observes the calls of a server with threads."""

    def __init__(self, rpc: RpcServer) -> None:
        self._handlers = _Handlers(rpc)

    @override
    def intercept_service(self, continuation: Callable[[Any], Handler], handler_call_details: Any) -> Handler:
        return self._handlers.wrapped(continuation(handler_call_details), handler_call_details)


class _Handlers:
    """Wraps each handler once."""

    __slots__ = ("_rpc", "_wrapped")

    def __init__(self, rpc: RpcServer) -> None:
        self._rpc = rpc
        self._wrapped: dict[str, tuple[Handler, Handler]] = {}

    def wrapped(self, handler: Handler, details: Any) -> Handler:
        """Return the handler of a call with its behavior inside of a span; None if the server has no such method."""
        path: str = details.method
        if handler is None:
            if not path.startswith(IGNORED_SERVICES):
                self._rpc.refuse(path.removeprefix("/"), metadata_of(details.invocation_metadata))
            return None
        known = self._wrapped.get(path)
        if known is not None and known[0] is handler:
            return known[1]
        wrapped = self._wrap(path, handler)
        if known is not None or len(self._wrapped) < MAX_WRAPPED:
            self._wrapped[path] = handler, wrapped
        return wrapped

    def _wrap(self, path: str, handler: Handler) -> Handler:
        name, construct = _CONSTRUCTORS[handler.request_streaming, handler.response_streaming]
        observe: Observe = partial(_Served, self._rpc, path.removeprefix("/"))
        if path.startswith(IGNORED_SERVICES):
            observe = partial(_Ignored, self._rpc)
        behavior = _behavior(getattr(handler, name), observe, streaming=handler.response_streaming)
        return construct(behavior, handler.request_deserializer, handler.response_serializer)


def _behavior(original: Behavior, observe: Observe, *, streaming: bool) -> Behavior:
    """Return a behavior of the same kind, which is how grpc.aio tells coroutines, generators and threads apart."""

    async def coroutine(request: Any, context: Any) -> Any:
        with observe(context):
            return await original(request, context)

    async def asynchronous_generator(request: Any, context: Any) -> AsyncIterator[Any]:
        with observe(context):
            async for response in original(request, context):
                yield response

    def function(request: Any, context: Any) -> Any:
        with observe(context):
            return original(request, context)

    def generator(request: Any, context: Any) -> Iterator[Any]:
        with observe(context):
            yield from original(request, context)

    if iscoroutinefunction(original):
        return coroutine
    if isasyncgenfunction(original):
        return asynchronous_generator
    return generator if streaming else function


class _Served:
    """One call under way, from the handler's start to its end."""

    __slots__ = ("_context", "_method", "_rpc", "_started")

    def __init__(self, rpc: RpcServer, method: str, context: Any) -> None:
        self._rpc = rpc
        self._method = method
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
        code = _code(self._context, exception)
        self._rpc.finish(span, self._method, code, None if _is_abort(exception, code) else exception)
        # A generator may be closed in another task, where the span is not the current one.
        if get_current_span() is span:
            otel_context.detach(token)


class _Ignored:
    """One call of a health check or of reflection."""

    __slots__ = ("_rpc", "_token")

    def __init__(self, rpc: RpcServer, context: Any) -> None:
        del context
        self._rpc = rpc
        self._token: Token[Context] | None = None

    def __enter__(self) -> Self:
        self._token = self._rpc.start_ignored()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._token is not None and not isinstance(exception, (GeneratorExit, CancelledError)):
            otel_context.detach(self._token)


def metadata_of(pairs: Any) -> dict[str, str]:
    """Return metadata as a dict; of several values of a key the last."""
    return dict(pairs) if pairs else {}


def _code(context: Any, exception: BaseException | None) -> str:
    try:
        name = CODE_NAMES.get(context.code(), "OK")
        if exception is None or name != "OK":
            return name
        remaining = None if isinstance(exception, Exception) else context.time_remaining()
    except Exception:  # a context that cannot tell: then the exception does
        remaining = None
    if exception is None or isinstance(exception, Exception):
        return "OK" if exception is None else "UNKNOWN"
    return "DEADLINE_EXCEEDED" if remaining is not None and remaining < DEADLINE_TOLERANCE_SECONDS else "CANCELLED"


def _is_abort(exception: BaseException | None, code: str) -> bool:
    """Tell whether `context.abort` raised it: a chosen status, no failure of the code. With threads it is bare."""
    return isinstance(exception, grpc.aio.AbortError) or (
        type(exception) is Exception and not exception.args and code != "UNKNOWN"
    )
