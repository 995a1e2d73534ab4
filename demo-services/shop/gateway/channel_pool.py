"""Channel pool: a channel to each replica; each call picks one. gRPC for Python has no resolver of one's own."""

from __future__ import annotations

import asyncio
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, Literal

import grpc.aio
from grpc import ChannelConnectivity

from instrumentation import get_logger
from instrumentation.patterns import Targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from shop.reliability.discovery import Discovery

Balancing = Literal["round_robin", "random"]
RETRY_SECONDS = 0.5

log = get_logger(__name__)


class NoReplicaError(grpc.aio.AioRpcError):
    """Discovery knows of no replica: as if it did not answer."""

    def __init__(self, service: str) -> None:
        metadata = grpc.aio.Metadata()
        super().__init__(grpc.StatusCode.UNAVAILABLE, metadata, metadata, f"no replica of {service} is known")


class ChannelPool:
    """What generated stubs take for a channel. Open it before use, close it after.

    A replica that cannot be reached gets no call as long as another can.

    Args:
        service: Name of the service.
        discovery: Tells its replicas.
        balancing: In turn, or by chance.
        options: Of each channel.
        random: Draws.
    """

    def __init__(
        self,
        service: str,
        discovery: Discovery,
        balancing: Balancing = "round_robin",
        options: Sequence[tuple[str, Any]] = (),
        random: Random | None = None,
    ) -> None:
        self._service = service
        self._discovery = discovery
        self._options = options
        self._turn = count()
        self._random = random or Random()  # noqa: S311 - spread, not secrecy
        self._choose = self._next if balancing == "round_robin" else self._any
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._telemetry = Targets(service)

    async def __aenter__(self) -> ChannelPool:
        first = asyncio.Event()
        self._following = asyncio.create_task(self._follow(first))
        try:
            async with asyncio.timeout(RETRY_SECONDS):
                await first.wait()
        except TimeoutError:
            log.warning("discovery does not answer yet", service=self._service)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Follow no more, and close all channels."""
        self._following.cancel()
        await asyncio.gather(*self._leaving, *(channel.close() for channel in self._channels.values()))

    @property
    def addresses(self) -> frozenset[str]:
        """Where the replicas are."""
        return frozenset(self._channels)

    def unary_unary(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """As a channel does; each call goes to the replica whose turn it is."""
        return self._calls("unary_unary", args, kwargs)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """Likewise."""
        return self._calls("unary_stream", args, kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """Likewise."""
        return self._calls("stream_unary", args, kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """Likewise."""
        return self._calls("stream_stream", args, kwargs)

    def _calls(self, kind: str, args: Any, kwargs: Any) -> Callable[..., Any]:
        def call(*call_args: Any, **call_kwargs: Any) -> Any:
            return getattr(self._pick(), kind)(*args, **kwargs)(*call_args, **call_kwargs)

        return call

    def _pick(self) -> grpc.aio.Channel:
        if not self._channels:
            raise NoReplicaError(self._service)
        states = {address: self._channels[address].get_state(try_to_connect=True) for address in sorted(self._channels)}
        ready = [address for address, state in states.items() if state is ChannelConnectivity.READY]
        failed = ChannelConnectivity.TRANSIENT_FAILURE
        usable = ready or [address for address, state in states.items() if state is not failed]
        address = self._choose(usable or list(states))
        self._telemetry.picked(address)
        return self._channels[address]

    def _next(self, addresses: Sequence[str]) -> str:
        return addresses[next(self._turn) % len(addresses)]

    def _any(self, addresses: Sequence[str]) -> str:
        return self._random.choice(addresses)

    async def _follow(self, first: asyncio.Event) -> None:
        """Follow discovery until cancelled. While it does not answer, its last word holds."""
        while True:
            try:
                async for addresses in self._discovery.watch(self._service):
                    self._become(addresses)
                    first.set()
            except Exception as error:
                log.warning("discovery lost, will ask again", service=self._service, error=repr(error))
            await asyncio.sleep(RETRY_SECONDS)

    def _become(self, addresses: frozenset[str]) -> None:
        for address in addresses - self._channels.keys():
            channel = grpc.aio.insecure_channel(address, self._options)
            channel.get_state(try_to_connect=True)
            self._channels[address] = channel
        self._leave(self._channels.keys() - addresses)
        self._telemetry.known(len(addresses))

    def _leave(self, addresses: Iterable[str]) -> None:
        """Close channels once their calls have ended."""
        for address in list(addresses):
            task = asyncio.create_task(self._channels.pop(address).close(grace=5))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
