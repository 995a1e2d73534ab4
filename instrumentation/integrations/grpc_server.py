"""grpc's two server skins: wrap the handler that was found, so that its code runs inside of the span's context."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any

import grpc
import grpc.aio
from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import get_current_span, set_span_in_context
from typing_extensions import override

from instrumentation.integrations.grpc_messages import telling
from instrumentation.integrations.grpc_served import Ignored, LateSpan, Served, ThreadContext, metadata_of
from instrumentation.integrations.rpc import RpcServer

IGNORED_SERVICES = ("/grpc.health.v1.", "/grpc.reflection.")
MAX_WRAPPED = 1024
"""Wrapped handlers kept per server; those of one that makes a new handler per call do not pile up."""

Handler = Any
"""grpc.RpcMethodHandler, whose fields the package does not type."""
Behavior = Callable[[Any, Any], Any]
Observe = Callable[[Any], AbstractContextManager[object]]

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
        handler = await continuation(handler_call_details)
        known = self._handlers.known(handler, handler_call_details.method)
        if known is not None:
            return known
        if handler is not None and not _is_asynchronous(_behavior_of(handler)):
            return self._handlers.threaded(handler, handler_call_details.method)
        return self._handlers.wrapped(handler, handler_call_details)


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
        known = self.known(handler, path)
        if known is not None:
            return known
        if handler is None:
            if not path.startswith(IGNORED_SERVICES):
                self._rpc.refuse(path.removeprefix("/"), metadata_of(details.invocation_metadata))
            return None
        wrapped = self._wrap(path, handler, partial(Served, self._rpc, path.removeprefix("/"), True))
        if path in self._wrapped or len(self._wrapped) < MAX_WRAPPED:
            self._wrapped[path] = handler, wrapped
        return wrapped

    def known(self, handler: Handler, path: str) -> Handler:
        """Return the handler of a method as it was wrapped before; None if it was not, or not this one."""
        found = self._wrapped.get(path)
        return None if found is None or found[0] is not handler else found[1]

    def threaded(self, handler: Handler, path: str) -> Handler:
        """Return the handler of one call that grpc.aio runs in a thread of a pool.

        gRPC's line about a failure comes from the call's task, which is the caller: so the span is current there too.
        """
        late = LateSpan()
        otel_context.attach(set_span_in_context(late, Context()))

        def observe(context: Any) -> AbstractContextManager[object]:
            return _Late(late, Served(self._rpc, path.removeprefix("/"), False, context))

        return self._wrap(path, handler, observe, context_of=ThreadContext)

    def _wrap(
        self, path: str, handler: Handler, observe: Observe, context_of: Callable[[Any], Any] | None = None
    ) -> Handler:
        name, construct = _CONSTRUCTORS[handler.request_streaming, handler.response_streaming]
        original: Behavior = getattr(handler, name)
        if getattr(original, "experimental_non_blocking", False):
            return handler  # calls back when it has something to say: it has no scope to observe
        if path.startswith(IGNORED_SERVICES):
            observe = partial(Ignored, self._rpc)
        elif self._rpc.tells_messages:
            original = telling(original, handler.request_streaming, handler.response_streaming)
        behavior = _behavior(original, observe, context_of, streaming=handler.response_streaming)
        pool = getattr(original, "experimental_thread_pool", None)
        if pool is not None:
            vars(behavior)["experimental_thread_pool"] = pool
        return construct(behavior, handler.request_deserializer, handler.response_serializer)


class _Late(AbstractContextManager["_Late"]):
    """Tells another thread which span a call has got."""

    def __init__(self, late: LateSpan, served: Served) -> None:
        self._late = late
        self._served = served

    @override
    def __enter__(self) -> "_Late":
        self._served.__enter__()
        self._late.span = get_current_span()
        return self

    @override
    def __exit__(self, *failure: Any) -> None:
        self._served.__exit__(*failure)


def _behavior_of(handler: Handler) -> Behavior:
    return getattr(handler, _CONSTRUCTORS[handler.request_streaming, handler.response_streaming][0])


def _is_asynchronous(behavior: Behavior) -> bool:
    return iscoroutinefunction(behavior) or isasyncgenfunction(behavior)


def _behavior(
    original: Behavior, observe: Observe, context_of: Callable[[Any], Any] | None, *, streaming: bool
) -> Behavior:
    """Return a behavior of the same kind, which is how grpc.aio tells coroutines, generators and threads apart."""

    async def coroutine(request: Any, context: Any) -> Any:
        with observe(context):
            return await original(request, context)

    async def asynchronous_generator(request: Any, context: Any) -> AsyncIterator[Any]:
        with observe(context):
            async for response in original(request, context):
                yield response

    def function(request: Any, context: Any) -> Any:
        context = context if context_of is None else context_of(context)
        with observe(context):
            return original(request, context)

    def generator(request: Any, context: Any) -> Iterator[Any]:
        context = context if context_of is None else context_of(context)
        with observe(context):
            yield from original(request, context)

    if iscoroutinefunction(original):
        return coroutine
    if isasyncgenfunction(original):
        return asynchronous_generator
    return generator if streaming else function
