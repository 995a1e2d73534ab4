"""Unary calls of a grpc.aio channel, observed without an interceptor, for which grpc.aio makes a task per call.

Where an application has interceptors of its own for unary calls the
kit's is the last of them, so that a retrying one shows each attempt; where it has none, what `Channel.unary_unary`
returns is wrapped: the call starts at once, and stays the channel's own object.
"""

from functools import partial
from typing import Any

import grpc.aio
from typing_extensions import override

from instrumentation.integrations.grpc_client import Calls


class ObservedUnaryUnary(grpc.aio.UnaryUnaryMultiCallable[Any, Any]):
    """A method of a channel whose calls have spans.

    Args:
        method: As the channel returned it.
        path: `/package.Service/Method`.
        calls: Of the channel.
    """

    def __init__(self, method: Any, path: Any, calls: Calls) -> None:
        self._method = method
        self._path = path
        self._calls = calls

    @override
    def __call__(self, request: Any, *, metadata: Any = None, **options: Any) -> Any:
        started = self._calls.start(self._path, metadata)
        if started is None:
            return self._method(request, metadata=metadata, **options)
        sent, metadata = started
        if sent.messages is not None:
            sent.messages.sent()
        try:
            call = self._method(request, metadata=metadata, **options)
        except BaseException as exception:
            sent.fail(exception)
            raise
        call.add_done_callback(partial(sent.done, False))
        return call


def observe(channel: Any, calls: Calls) -> Any:
    """Let the unary calls of a channel have spans; returns the channel."""
    unary_unary = channel.unary_unary

    def observed(method: Any, *args: Any, **options: Any) -> ObservedUnaryUnary:
        return ObservedUnaryUnary(unary_unary(method, *args, **options), method, calls)

    channel.unary_unary = observed
    return channel
