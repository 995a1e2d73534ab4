"""grpc's two client skins: add the context to a call's metadata, and finish when its status is there."""

from collections.abc import Callable
from functools import lru_cache, partial
from inspect import iscoroutine
from typing import Any, TypeVar
from weakref import finalize

import grpc
import grpc.aio
from typing_extensions import override

from instrumentation.context import outgoing_headers
from instrumentation.integrations.grpc_messages import ToldCall, told, told_async
from instrumentation.integrations.grpc_served import CODE_NAMES
from instrumentation.integrations.grpc_server import IGNORED_SERVICES
from instrumentation.integrations.rpc import Messages, RpcClient
from instrumentation.signals.span import Span

MAX_BAGGAGE_BYTES = 4096
"""Beside 2048 of `tracestate`. With more than 8 KiB of metadata gRPC refuses calls, from there on at random."""

Continuation = Callable[[Any, Any], Any]
ResponsesT = TypeVar("ResponsesT")


def unary_interceptor(calls: "Calls") -> grpc.aio.ClientInterceptor:
    """Return the interceptor of grpc.aio's unary calls."""
    return _UnaryUnary(calls)


def stream_interceptors(calls: "Calls") -> tuple[grpc.aio.ClientInterceptor, ...]:
    """Return one interceptor for each kind of call with a stream: a channel takes an object for one kind only."""
    return _UnaryStream(calls), _StreamUnary(calls), _StreamStream(calls)


def interceptor(rpc: RpcClient, target: str) -> "_Sync":
    """Return the interceptor of a channel with threads, for all kinds of call."""
    return _Sync(Calls(rpc, target))


class Calls:
    """What all interceptors of a channel share.

    Args:
        rpc: The protocol's part.
        target: Of the channel.
    """

    __slots__ = ("_address", "_port", "_rpc", "tells_messages")

    def __init__(self, rpc: RpcClient, target: str) -> None:
        self._rpc = rpc
        self._address, self._port = server_of(target)
        self.tells_messages = rpc.tells_messages

    def start(self, path: Any, metadata: Any) -> "tuple[Sent, grpc.aio.Metadata] | None":
        """Start the span of a call; returns the call and its metadata with the context added."""
        path = path if isinstance(path, str) else path.decode()
        if path.startswith(IGNORED_SERVICES):
            return None
        method = path.removeprefix("/")
        span = self._rpc.start(method)
        if span is None:
            return None
        try:
            return Sent(self, span, method), _metadata(metadata, span)
        except Exception as error:
            self._rpc.guard.caught("grpc metadata", error)
            return None

    def finish(self, span: Span, method: str, code: Any, details: str | None) -> None:
        """End the span of a call with its status."""
        name = CODE_NAMES.get(code, "UNKNOWN")
        self._rpc.finish(span, method, self._address, self._port, name, details or "")


class Sent:
    """One call under way. Whoever sees its end first finishes it.

    Attributes:
        messages: Tells of messages; None if they are not told.
    """

    __slots__ = ("_calls", "_is_ok", "_is_read", "_method", "_open", "messages")

    def __init__(self, calls: Calls, span: Span, method: str) -> None:
        self._calls = calls
        self._method = method
        self._open = [span]
        self._is_ok = False
        self._is_read = True
        self.messages = Messages(span) if calls.tells_messages else None

    def finish(self, code: Any, details: str | None = None) -> None:
        """End the span with a status; a second call does nothing."""
        try:
            span = self._open.pop()  # atomic: a status may arrive while another thread lets go of the call
        except IndexError:
            return
        self._calls.finish(span, self._method, code, details)

    def fail(self, exception: BaseException) -> None:
        """End the span of a call that was given up, or that an interceptor or the channel refused."""
        if isinstance(exception, grpc.aio.AioRpcError):
            self.finish(exception.code(), exception.details())
        elif isinstance(exception, Exception):
            if self._open:
                self._open[0].fail(exception)
            self.finish(grpc.StatusCode.UNKNOWN, str(exception))
        else:
            self.finish(grpc.StatusCode.CANCELLED)

    def done(self, streaming: bool, call: Any) -> None:
        """Take the status of a call that has ended.

        Args:
            streaming: Whether its responses are a stream.
            call: A call with threads, or of grpc.aio: then its status is there without waiting.
        """
        self._end(streaming, _result(call.code()), _result(call.details()))

    def gone(self, streaming: bool, state: Any) -> None:
        """Take the status of a call with threads that has ended or that nobody holds any more, which cancels it."""
        details = getattr(state, "details", None)
        details = details.decode(errors="replace") if isinstance(details, bytes) else details
        self._end(streaming, state.code or grpc.StatusCode.CANCELLED, details)

    def reading(self, responses: ResponsesT) -> ResponsesT:
        """Keep the span of a call that succeeds until these responses are read, as its status may come before."""
        self._is_read = False
        finalize(responses, self.read).atexit = False
        return responses

    def read(self) -> None:
        """All responses are read, or nobody reads them any more."""
        self._is_read = True
        if self._is_ok:
            self.finish(grpc.StatusCode.OK)

    def _end(self, streaming: bool, code: Any, details: str | None) -> None:
        if self.messages is not None and code is grpc.StatusCode.OK:
            if not streaming:
                self.messages.received()
            self._is_ok = True  # before the look at the other: `read` in another thread does it the other way round
            if not self._is_read:
                return
        self.finish(code, details)

    def watch(self, streaming: bool, call: Any) -> None:
        """Finish when a call with threads has ended.

        gRPC cancels a stream that nobody holds any more. A done callback would hold it, so the callback holds what the
        call and the channel share; where there is no such thing, it is a done callback.
        """
        state = getattr(call, "_state", None)
        if call.done() or not hasattr(state, "code"):
            call.add_done_callback(partial(self.done, streaming))
            return
        # Without a thread of its own a call is not told of its end once it is dropped.
        finalize(call, self.gone, streaming, state).atexit = False
        if not call.add_callback(partial(self.gone, streaming, state)):
            self.gone(streaming, state)


class _Aio:
    """The part of the four interceptors that they share: the kinds of call differ in their streams alone."""

    requests = responses = False

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def _intercept(self, continuation: Continuation, details: Any, request: Any) -> Any:
        started = self._calls.start(details.method, details.metadata)
        if started is None:
            return await continuation(details, request)
        sent, details = started[0], details._replace(metadata=started[1])
        if sent.messages is not None:
            request = _told_request(request, sent.messages, self.requests, told_async)
        try:
            call = await continuation(details, request)
        except BaseException as exception:
            sent.fail(exception)
            raise
        if not isinstance(call, grpc.aio.RpcContext):  # an interceptor's own answer
            sent.finish(grpc.StatusCode.OK)
            return call
        answer = call
        if sent.messages is not None and self.responses:
            answer = sent.reading(told_async(call, sent.messages.received, sent.read))
        if call.done():
            sent.done(self.responses, call)
        else:
            call.add_done_callback(partial(sent.done, self.responses))
        return answer


class _UnaryUnary(_Aio, grpc.aio.UnaryUnaryClientInterceptor):
    @override
    async def intercept_unary_unary(self, continuation: Continuation, client_call_details: Any, request: Any) -> Any:
        return await self._intercept(continuation, client_call_details, request)


class _UnaryStream(_Aio, grpc.aio.UnaryStreamClientInterceptor):
    responses = True

    @override
    async def intercept_unary_stream(self, continuation: Continuation, client_call_details: Any, request: Any) -> Any:
        return await self._intercept(continuation, client_call_details, request)


class _StreamUnary(_Aio, grpc.aio.StreamUnaryClientInterceptor):
    requests = True

    @override
    async def intercept_stream_unary(
        self, continuation: Continuation, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return await self._intercept(continuation, client_call_details, request_iterator)


class _StreamStream(_Aio, grpc.aio.StreamStreamClientInterceptor):
    requests = responses = True

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
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def _intercept(
        self, continuation: Continuation, details: Any, request: Any, requests: bool, responses: bool
    ) -> Any:
        started = self._calls.start(details.method, details.metadata)
        if started is None:
            return continuation(details, request)
        sent, details = started[0], details._replace(metadata=started[1])
        if sent.messages is not None:
            request = _told_request(request, sent.messages, requests, told)
        try:
            call = continuation(details, request)
        except BaseException as exception:
            sent.fail(exception)
            raise
        answer = call
        if sent.messages is not None and responses:
            answer = sent.reading(ToldCall(call, sent.messages.received, sent.read))
        sent.watch(responses, call)
        return answer

    @override
    def intercept_unary_unary(self, continuation: Continuation, client_call_details: Any, request: Any) -> Any:
        return self._intercept(continuation, client_call_details, request, False, False)

    @override
    def intercept_unary_stream(self, continuation: Continuation, client_call_details: Any, request: Any) -> Any:
        return self._intercept(continuation, client_call_details, request, False, True)

    @override
    def intercept_stream_unary(
        self, continuation: Continuation, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return self._intercept(continuation, client_call_details, request_iterator, True, False)

    @override
    def intercept_stream_stream(
        self, continuation: Continuation, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return self._intercept(continuation, client_call_details, request_iterator, True, True)


def _told_request(
    request: Any, messages: Messages, streams: bool, tell: Callable[[Any, Callable[[], None]], Any]
) -> Any:
    if streams:
        return tell(request, messages.sent)
    messages.sent()
    return request


def _metadata(metadata: Any, span: Span) -> grpc.aio.Metadata:
    """Return a copy of a call's metadata that carries the span."""
    headers = outgoing_headers(span, baggage_bytes=MAX_BAGGAGE_BYTES)
    carried = {name: value for name, value in headers.items() if value.isascii() and value.isprintable()}
    kept = [pair for pair in metadata or () if pair[0] not in carried and pair[0] != "tracestate"]
    return grpc.aio.Metadata(*kept, *carried.items())


def _result(coroutine: Any) -> Any:
    """Return what a coroutine returns that has nothing to wait for, None if it had; anything else as it is."""
    if not iscoroutine(coroutine):
        return coroutine
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
