"""Channel pool: a channel to each replica; each call picks a version, and a replica of it.

gRPC for Python has no resolver of one's own.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import grpc.aio
from grpc import ChannelConnectivity

from instrumentation import get_logger
from instrumentation.patterns import Targets
from shop.gateway.split import Balancing, Split

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from shop.reliability.discovery import Discovery, Replica

RETRY_SECONDS = 0.5
FAILURES = frozenset(
    (
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    )
)
"""Codes that tell of the replica's trouble and not of the caller's mistake, as the RPC conventions have it."""
_HEALTH = "/grpc.health.v1."

log = get_logger(__name__)


class NoReplicaError(grpc.aio.AioRpcError):
    """No replica is known, or none that gets calls: as if it did not answer."""

    def __init__(self, service: str) -> None:
        metadata = grpc.aio.Metadata()
        super().__init__(
            grpc.StatusCode.UNAVAILABLE,
            metadata,
            metadata,
            f"no replica of {service} is known, or none of a version that gets calls",
        )


class ChannelPool:
    """What generated stubs take for a channel. Open it before use, close it after.

    A replica that cannot be reached gets no call as long as another can. Each unary call is measured by version, as
    its caller sees it; those of the health service are not.

    Args:
        service: Name of the service.
        discovery: Tells its replicas.
        balancing: In turn, or by chance.
        options: Of each channel.
        random: Draws.
        weights: Of versions at the start, as `Split` takes them.
    """

    def __init__(
        self,
        service: str,
        discovery: Discovery,
        balancing: Balancing = "round_robin",
        options: Sequence[tuple[str, Any]] = (),
        random: Random | None = None,
        weights: Mapping[str, float] = {},
    ) -> None:
        self._service = service
        self._discovery = discovery
        self._options = options
        self._turns = Counter[str]()
        self._random = random or Random()  # noqa: S311 - spread, not secrecy
        self._choose = self._next if balancing == "round_robin" else self._any
        self._split = Split(weights, balancing, self._random)
        self._channels: dict[Replica, grpc.aio.Channel] = {}
        self._streams = WeakKeyDictionary[Any, str]()
        self._leaving: set[asyncio.Task[None]] = set()
        self._telemetry = Targets(service)
        self._telemetry.weighed(self._split.shares)

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
        return frozenset(replica.address for replica in self._channels)

    @property
    def replicas(self) -> Mapping[str, int]:
        """How many there are of each version."""
        return Counter(replica.version for replica in self._channels)

    @property
    def weights(self) -> Mapping[str, float]:
        """Of the versions, as they were given; empty if there are none."""
        return self._split.weights

    def weigh(self, weights: Mapping[str, float]) -> None:
        """Share calls out by these weights from the next one on.

        Calls under way come to their end; streams to a version that gets no call any more are cancelled.

        Raises:
            ValueError: as `Split.weigh` does.
        """
        self._split.weigh(weights)
        self._telemetry.weighed(self._split.shares)
        allowed = self._split.allowed(self.replicas)
        for stream in [stream for stream, version in self._streams.items() if version not in allowed]:
            stream.cancel()

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Callable[..., Awaitable[Any]]:
        """As a channel does, but what is called returns no `Call`: each goes to the replica whose turn it is."""

        async def call(*call_args: Any, **call_kwargs: Any) -> Any:
            replica = self._pick()
            answer = self._channels[replica].unary_unary(method, *args, **kwargs)(*call_args, **call_kwargs)
            return await (answer if method.startswith(_HEALTH) else self._measured(replica.version, answer))

        return call

    def unary_stream(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """Likewise; the `Call` is cancelled when its version gets no call any more."""
        return self._streaming("unary_stream", args, kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """Likewise."""
        return self._streaming("stream_unary", args, kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """Likewise."""
        return self._streaming("stream_stream", args, kwargs)

    def _streaming(self, kind: str, args: Any, kwargs: Any) -> Callable[..., Any]:
        def call(*call_args: Any, **call_kwargs: Any) -> Any:
            replica = self._pick()
            stream = getattr(self._channels[replica], kind)(*args, **kwargs)(*call_args, **call_kwargs)
            self._streams[stream] = replica.version
            return stream

        return call

    async def _measured(self, version: str, answer: Awaitable[Any]) -> Any:
        start = time.perf_counter()
        try:
            result = await answer
        except grpc.RpcError as error:
            code = error.code() if isinstance(error, grpc.aio.AioRpcError) else grpc.StatusCode.UNKNOWN
            self._telemetry.called(version, time.perf_counter() - start, code.name if code in FAILURES else "")
            raise
        self._telemetry.called(version, time.perf_counter() - start)
        return result

    def _pick(self) -> Replica:
        states = {replica: self._channels[replica].get_state(try_to_connect=True) for replica in sorted(self._channels)}
        versions = self._split.allowed({replica.version for replica in states})
        allowed = [replica for replica in states if replica.version in versions]
        if not allowed:
            raise NoReplicaError(self._service)
        ready = [replica for replica in allowed if states[replica] is ChannelConnectivity.READY]
        usable = ready or [each for each in allowed if states[each] is not ChannelConnectivity.TRANSIENT_FAILURE]
        replica = self._choose(self._of_one_version(usable or allowed))
        self._telemetry.picked(replica.address)
        return replica

    def _of_one_version(self, replicas: Sequence[Replica]) -> Sequence[Replica]:
        """Choose a version, if they have weights; return its replicas."""
        versions = {replica.version for replica in replicas}
        if not versions <= self._split.weights.keys():
            return replicas
        version = self._split.choose(versions)
        return [replica for replica in replicas if replica.version == version]

    def _next(self, replicas: Sequence[Replica]) -> Replica:
        turn = self._turns[replicas[0].version]
        self._turns[replicas[0].version] += 1
        return replicas[turn % len(replicas)]

    def _any(self, replicas: Sequence[Replica]) -> Replica:
        return self._random.choice(replicas)

    async def _follow(self, first: asyncio.Event) -> None:
        """Follow discovery until cancelled. While it does not answer, its last word holds."""
        while True:
            try:
                async for replicas in self._discovery.watch(self._service):
                    self._become(replicas)
                    first.set()
            except Exception as error:
                log.warning("discovery lost, will ask again", service=self._service, error=repr(error))
            await asyncio.sleep(RETRY_SECONDS)

    def _become(self, replicas: frozenset[Replica]) -> None:
        for replica in replicas - self._channels.keys():
            channel = grpc.aio.insecure_channel(replica.address, self._options)
            channel.get_state(try_to_connect=True)
            self._channels[replica] = channel
        self._leave(self._channels.keys() - replicas)
        self._telemetry.known(len(replicas))

    def _leave(self, replicas: Iterable[Replica]) -> None:
        """Close channels once their calls have ended."""
        for replica in list(replicas):
            task = asyncio.create_task(self._channels.pop(replica).close(grace=5))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
