"""The weights of versions on the admin door: `GET /weights`, `PUT` and `DELETE /weights/SERVICE`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from instrumentation import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from shop.gateway.channel_pool import ChannelPool
    from shop.gateway.services import Services

TIMEOUT_SECONDS = 5.0
"""How long the event loop may take to change them."""

log = get_logger(__name__)


class Weights:
    """How the calls to each service are shared out between its versions, for operators; see `Split` for what they mean.

    Only of services whose replicas the gateway chooses itself. Inside of `async with` it can be read and changed.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __aenter__(self) -> Weights:
        self._loop = asyncio.get_running_loop()
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None: ...

    def read(self) -> Mapping[str, object]:
        """Return `{service: {"weights": {version: weight}, "replicas": {version: count}}}`."""
        return {
            service: {"weights": dict(pool.weights), "replicas": dict(pool.replicas)}
            for service, pool in self._services.pools.items()
        }

    def put(self, name: str, value: Mapping[str, Any]) -> None:
        """Set the weights of a service by version, for calls from now on.

        Raises:
            KeyError: the gateway does not choose the replicas of that service.
            ValueError: they are no weights, or no replica is known of a version that is to get calls.
        """
        pool = self._services.pools[name]
        if not value or not all(isinstance(weight, (int, float)) for weight in value.values()):
            raise ValueError('the body must be weights by version: {"1.0.0": 95, "1.1.0": 5}')
        missing = sorted(version for version, weight in value.items() if weight > 0 and version not in pool.replicas)
        if missing:
            known = ", ".join(sorted(pool.replicas)) or "none"
            raise ValueError(f"no replica of version {', '.join(missing)} is known; known are: {known}")
        self._weigh(name, pool, value)

    def remove(self, name: str) -> None:
        """Take all weights of a service away: its replicas are alike again.

        Raises:
            KeyError: the gateway does not choose the replicas of that service.
        """
        self._weigh(name, self._services.pools[name], {})

    def _weigh(self, name: str, pool: ChannelPool, weights: Mapping[str, float]) -> None:
        """Change them in the event loop, to which the pool belongs, and wait until it is done."""

        async def weigh() -> None:
            pool.weigh(weights)

        asyncio.run_coroutine_threadsafe(weigh(), self._loop).result(TIMEOUT_SECONDS)
        log.info("traffic weights changed", target=name, weights=str(dict(weights)))
