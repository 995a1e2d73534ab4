"""The messages of a gRPC call as events of its span, for who has switched them on: one more wrapper around each."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any, cast

import grpc.aio
from opentelemetry.trace import get_current_span

from instrumentation.integrations.rpc import Messages

Behavior = Callable[[Any, Any], Any]
_EOF: object = vars(grpc.aio)["EOF"]  # the package's types leave it out


def told(messages: Iterable[Any], tell: Callable[[], None]) -> Iterator[Any]:
    """Pass messages on, telling of each before it is handed over."""
    for message in messages:
        tell()
        yield message


async def told_async(
    messages: Any, tell: Callable[[], None], ended: Callable[[], None] | None = None
) -> AsyncIterator[Any]:
    """Pass messages on, as `told`; takes what grpc.aio takes as requests, an asynchronous iterable or a plain one.

    `ended` is called after the last.
    """
    if not hasattr(messages, "__aiter__"):
        for message in messages:
            tell()
            yield message
        return
    async for message in messages:
        tell()
        yield message
    if ended:
        ended()


def telling(original: Behavior, request_streaming: bool, response_streaming: bool) -> Behavior:
    """Wrap a server's behavior, of whatever kind, so that it tells the current span of its messages."""

    async def coroutine(request: Any, context: Any) -> Any:
        messages = Messages(get_current_span())
        context = _ToldContext(context, messages)
        response = await original(_request(request, messages, request_streaming, told_async), context)
        if not response_streaming:
            messages.sent()
        return response

    async def asynchronous_generator(request: Any, context: Any) -> AsyncIterator[Any]:
        messages = Messages(get_current_span())
        context = _ToldContext(context, messages)
        async for response in original(_request(request, messages, request_streaming, told_async), context):
            messages.sent()
            yield response

    def function(request: Any, context: Any) -> Any:
        messages = Messages(get_current_span())
        response = original(_request(request, messages, request_streaming, told), context)
        if response_streaming:
            return told(response, messages.sent)
        messages.sent()
        return response

    if iscoroutinefunction(original):
        return coroutine
    return asynchronous_generator if isasyncgenfunction(original) else function


class ToldCall:
    """A stream of responses of a client with threads that tells of each, and of their end."""

    def __init__(self, call: Any, tell: Callable[[], None], ended: Callable[[], None]) -> None:
        self._call = call
        self._tell = tell
        self._ended = ended

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    @property
    def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride] for isinstance(call, grpc.Call)
        return cast("Any", type(self._call))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            response = next(self._call)
        except StopIteration:
            self._ended()
            raise
        self._tell()
        return response


def _request(request: Any, messages: Messages, streaming: bool, tell: Callable[[Any, Callable[[], None]], Any]) -> Any:
    if streaming:
        return tell(request, messages.received)
    messages.received()
    return request


class _ToldContext:
    """A grpc.aio handler's context that tells of what is read and written by it."""

    def __init__(self, context: Any, messages: Messages) -> None:
        self._context = context
        self._messages = messages

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def read(self) -> Any:
        message = await self._context.read()
        if message is not _EOF:
            self._messages.received()
        return message

    async def write(self, message: Any) -> None:
        self._messages.sent()
        await self._context.write(message)
