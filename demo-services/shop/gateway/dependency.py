"""A service behind the gateway: each call has its time, and is tried again, or left out, where that helps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc

from shop.gateway.breaker import Breaker
from shop.reliability.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LEFT = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
"""Of a replica that leaves: what it has not begun by then it cancels. The caller's own cancelling is no `RpcError`."""
AWAY = (*LEFT, grpc.StatusCode.DEADLINE_EXCEEDED)


class Dependency:
    """Calls to one service. All of them are safe to make twice.

    Args:
        name: Of the service.
        timeout_seconds: For one call with all its attempts; what is left of it goes with each as its deadline.
    """

    def __init__(self, name: str, timeout_seconds: float) -> None:
        self.breaker = Breaker(name, is_away)
        self._timeout_seconds = timeout_seconds
        self._retry = Retry(name, lambda error: _code(error) in LEFT)

    async def call(self, method: Callable[..., Awaitable[Any]], request: Any) -> Any:
        """Call a method.

        Raises:
            grpc.RpcError: as the last attempt failed.
            OpenError: it was not called, because the calls before failed.
        """

        async def attempt(seconds_left: float) -> Any:
            return await self.breaker.call(lambda: method(request, timeout=seconds_left))

        return await self._retry.call(attempt, self._timeout_seconds)


def is_away(error: Exception) -> bool:
    """Tell whether a call failed because the service does not answer."""
    return _code(error) in AWAY


def _code(error: Exception) -> grpc.StatusCode | None:
    return error.code() if isinstance(error, grpc.aio.AioRpcError) else None
