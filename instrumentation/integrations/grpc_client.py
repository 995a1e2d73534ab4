"""grpc's two client skins: add the context to a call's metadata, and finish when its status is there."""

from asyncio import CancelledError
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import grpc
import grpc.aio
from typing_extensions import override

from instrumentation.context import outgoing_headers
from instrumentation.integrations.grpc_server import CODE_NAMES, IGNORED_SERVICES
from instrumentation.integrations.rpc import RpcClient
from instrumentation.signals.span import Span

Continuation = Callable[[Any, Any], Any]


def aio_interceptors(rpc: RpcClient, target: str) -> tuple[grpc.aio.ClientInterceptor, ...]:
    """Return one interceptor for each kind of call: a channel takes an object for one kind only."""
    calls = _Calls(rpc, target)
    return _UnaryUnary(calls), _UnaryStream(calls), _StreamUnary(calls), _StreamStream(calls)


def interceptor(rpc: RpcClient, target: str) -> "_Sync":
    """Return the interceptor of a channel with threads, for all kinds of call."""
    return _Sync(_Calls(rpc, target))


class _Calls:
    """What all interceptors of a channel share."""

    __slots__ = ("_address", "_port", "_rpc")

    def __init__(self, rpc: RpcClient, target: str) -> None:
        self._rpc = rpc
        self._address, self._port = server_of(target)

    def start(self, details: Any) -> tuple[Span, str, Any] | None:
        """Start the span of a call; returns it, the method, and the call's details with the context added."""
        path = details.method if isinstance(details.method, str) else details.method.decode()
        if path.startswith(IGNORED_SERVICES):
            return None
        method = path.removeprefix("/")
        span = self._rpc.start(method)
        if span is None:
            return None
        try:
            return span, method, details._replace(metadata=_metadata(details.metadata, span))
        except Exception as error:
            self._rpc.guard.caught("grpc metadata", error)
            return None

    def finish(self, span: Span, method: str, code: Any, details: str | None = None) -> None:
        """End the span of a call with its status."""
        name = CODE_NAMES.get(code, "UNKNOWN")
        self._rpc.finish(span, method, self._address, self._port, name, details or "")

    def finish_done(self, span: Span, method: str, call: Any) -> None:
        """End the span of a grpc.aio call that is done: then its status is there without waiting."""
        self.finish(span, method, _result(call.code()), _result(call.details()))

    def watch(self, started: tuple[Span, str, Any], call: Any) -> Any:
        """Finish when a grpc.aio call with a stream is done; a call of another making is done now."""
        span, method, _ = started
        if isinstance(call, grpc.aio.RpcContext):
            call.add_done_callback(lambda done: self.finish_done(span, method, done))
        else:
            self.finish(span, method, grpc.StatusCode.OK)
        return call

    def fail(self, span: Span, method: str, exception: BaseException) -> None:
        """End the span of a call that was given up, or that an interceptor or the channel refused."""
        if isinstance(exception, grpc.aio.AioRpcError):
            self.finish(span, method, exception.code(), exception.details())
        elif isinstance(exception, Exception):
            span.fail(exception)
            self.finish(span, method, grpc.StatusCode.UNKNOWN, str(exception))
        else:
            self.finish(span, method, grpc.StatusCode.CANCELLED)


class _UnaryUnary(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, calls: _Calls) -> None:
        self._calls = calls

    @override
    async def intercept_unary_unary(self, continuation: Continuation, client_call_details: Any, request: Any) -> Any:
        started = self._calls.start(client_call_details)
        if started is None:
            return await continuation(client_call_details, request)
        span, method, details = started
        call = None
        try:
            call = await continuation(details, request)
            code = await call.code()
            text = None if code is grpc.StatusCode.OK else await call.details()
        except BaseException as exception:
            if call is not None and isinstance(exception, CancelledError):
                call.cancel()
            self._calls.fail(span, method, exception)
            raise
        self._calls.finish(span, method, code, text)
        return call


class _Streaming:
    def __init__(self, calls: _Calls) -> None:
        self._calls = calls

    async def _intercept(self, continuation: Continuation, details: Any, request: Any) -> Any:
        started = self._calls.start(details)
        if started is None:
            return await continuation(details, request)
        span, method, details = started
        try:
            call = await continuation(details, request)
        except BaseException as exception:
            self._calls.fail(span, method, exception)
            raise
        return self._calls.watch(started, call)


class _UnaryStream(_Streaming, grpc.aio.UnaryStreamClientInterceptor):
    @override
    async def intercept_unary_stream(self, continuation: Continuation, client_call_details: Any, request: Any) -> Any:
        return await self._intercept(continuation, client_call_details, request)


class _StreamUnary(_Streaming, grpc.aio.StreamUnaryClientInterceptor):
    @override
    async def intercept_stream_unary(
        self, continuation: Continuation, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return await self._intercept(continuation, client_call_details, request_iterator)


class _StreamStream(_Streaming, grpc.aio.StreamStreamClientInterceptor):
    @override
    async def intercept_stream_stream(
        self, continuation: Continuation, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return await self._intercept(continuation, client_call_details, request_iterator)


class _Sync(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    def __init__(self, calls: _Calls) -> None:
        self._calls = calls

    def _intercept(self, continuation: Continuation, details: Any, request: Any) -> Any:
        started = self._calls.start(details)
        if started is None:
            return continuation(details, request)
        span, method, details = started
        try:
            call = continuation(details, request)
        except BaseException as exception:
            self._calls.fail(span, method, exception)
            raise

        def finish(done: Any) -> None:
            self._calls.finish(span, method, done.code(), done.details())

        call.add_done_callback(finish)
        return call

    @override
    def intercept_unary_unary(self, continuation: Continuation, client_call_details: Any, request: Any) -> Any:
        return self._intercept(continuation, client_call_details, request)

    @override
    def intercept_unary_stream(self, continuation: Continuation, client_call_details: Any, request: Any) -> Any:
        return self._intercept(continuation, client_call_details, request)

    @override
    def intercept_stream_unary(
        self, continuation: Continuation, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return self._intercept(continuation, client_call_details, request_iterator)

    @override
    def intercept_stream_stream(
        self, continuation: Continuation, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return self._intercept(continuation, client_call_details, request_iterator)


def _metadata(metadata: Any, span: Span) -> grpc.aio.Metadata:
    """Return a copy of a call's metadata that carries the span."""
    carried = {name: value for name, value in outgoing_headers(span).items() if value.isascii() and value.isprintable()}
    kept = [pair for pair in metadata or () if pair[0] not in carried and pair[0] != "tracestate"]
    return grpc.aio.Metadata(*kept, *carried.items())


def _result(coroutine: Any) -> Any:
    """Return what a coroutine returns that has nothing to wait for; None if it had."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    return None


@lru_cache(maxsize=256)
def server_of(target: str) -> tuple[str, int]:
    """Return host and port of a channel's target; port 0 if it names none.

    Source of the forms: https://github.com/grpc/grpc/blob/master/doc/naming.md.
    """
    scheme, colon, rest = target.partition(":")
    if scheme in ("unix", "unix-abstract") and colon:
        return rest.removeprefix("//"), 0
    if scheme in ("dns", "ipv4", "ipv6", "xds") and colon:
        target = rest.rpartition("/")[2].partition(",")[0]
    host, _, port = target.rpartition(":")
    if not host or not port.isdecimal():
        host, port = target, "0"
    return host.strip("[]"), int(port)
