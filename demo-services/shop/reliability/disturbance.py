"""Disturbances of what a service serves: handlers of messages and calls that fail, or take long, on purpose."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import grpc.aio
from faststream import BaseMiddleware

from shop.reliability.faults import for_ever

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from shop.reliability.stream import Stream
    from shop.reliability.wire import Wire

T = TypeVar("T")
HEALTH = "/grpc.health."


class DisturbedError(Exception):
    """A handler failed on purpose."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What happens before the work is done, or instead of it."""

    delay_seconds: float
    fails: bool


class HandlerFault:
    """The fault of a service's handlers of messages: `handlers=HandlerFault(stream)`."""

    def __init__(self, stream: Stream) -> None:
        self._wire = stream.wire
        self._by_subject: dict[str, Disturbance] = {}
        self._is_added = False

    async def __call__(self, subject: str, delay_seconds: float = 0.0, fails: bool = False) -> None:
        """Let the handler of a subject begin so much later, or fail in the end, until cancelled."""
        if not self._is_added:  # innermost, so that a failure is settled as any other; it costs nothing before
            self._wire.broker.add_middleware(self._disturbing)
            self._is_added = True
        with _entry(self._by_subject, subject, Disturbance(delay_seconds, fails)):
            await for_ever()

    def _disturbing(self, msg: Any, /, *, context: Any) -> BaseMiddleware[Any, Any]:
        return _Disturbing(self._wire, self._by_subject, msg, context)


class _Disturbing(BaseMiddleware[Any, Any]):
    def __init__(self, wire: Wire, by_subject: dict[str, Disturbance], msg: Any, context: Any) -> None:
        super().__init__(msg, context=context)
        self._wire = wire
        self._by_subject = by_subject

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: Any) -> Any:
        """Disturb, then hand on."""
        found = self._by_subject.get(self._wire.letters(msg)[0].subject)
        if found is not None:
            await asyncio.sleep(found.delay_seconds)
            if found.fails:
                raise DisturbedError("this handler fails on purpose")
        return await call_next(msg)


class CallFault(grpc.aio.ServerInterceptor):
    """The fault of a service's unary calls: an interceptor of its server, and `calls=CallFault()`."""

    def __init__(self) -> None:
        self._by_method: dict[str, Disturbance] = {}

    async def __call__(self, method: str = "", delay_seconds: float = 0.0, fails: bool = False) -> None:
        """Let calls of a method, or of all, begin so much later, or end with UNAVAILABLE, until cancelled."""
        with _entry(self._by_method, method, Disturbance(delay_seconds, fails)):
            await for_ever()

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Wrap the handler of a call that is disturbed; probes of health never are."""
        handler = await continuation(handler_call_details)
        path: str = handler_call_details.method
        found = self._by_method.get(path.rpartition("/")[2], self._by_method.get(""))
        if found is None or handler is None or handler.unary_unary is None or path.startswith(HEALTH):
            return handler

        async def disturbed(request: Any, context: grpc.aio.ServicerContext) -> Any:
            await asyncio.sleep(found.delay_seconds)
            if found.fails:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "this call fails on purpose")
            return await handler.unary_unary(request, context)

        return grpc.unary_unary_rpc_method_handler(disturbed, handler.request_deserializer, handler.response_serializer)


@contextmanager
def _entry(entries: dict[str, T], key: str, value: T) -> Iterator[None]:
    """Keep an entry as long as the body runs."""
    entries[key] = value
    try:
        yield
    finally:
        entries.pop(key, None)
