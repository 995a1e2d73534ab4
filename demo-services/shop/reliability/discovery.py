"""Discovery: where the replicas of a service are, as a list, a name, or a registry tells it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from opentelemetry import context

from instrumentation import Settings, get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    Ask = Callable[[], Awaitable[object]]

LEASE_SECONDS = 5.0
"""A replica that died without a word is known to be gone after this time."""
RESOLVE_SECONDS = 5.0
RETRY_SECONDS = 1.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, order=True)
class Replica:
    """Where a replica is and what it runs; as text `host:port`, or `host:port@version`.

    Attributes:
        address: `host:port`.
        version: Its `service.version`; empty if it is not known.
    """

    address: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.address}@{self.version}" if self.version else self.address

    @classmethod
    def parse(cls, text: str) -> Replica:
        """Read what `str` writes."""
        address, _, version = text.partition("@")
        return cls(address, version)


class Discovery(Protocol):
    """Knows replicas by the name of their service."""

    def watch(self, service: str) -> AsyncIterator[frozenset[Replica]]:
        """Yield all replicas, now and whenever they change; raise when it cannot tell any more."""
        ...

    def registered(self, service: str, replica: Replica) -> AbstractAsyncContextManager[None]:
        """Be known as long as the body runs; after a sudden death for LEASE_SECONDS at most."""
        ...


class Listed:
    """A list that never changes."""

    def __init__(self, replicas: Mapping[str, tuple[Replica, ...]]) -> None:
        self._replicas = replicas

    async def watch(self, service: str) -> AsyncIterator[frozenset[Replica]]:
        """Yield the list, then nothing."""
        yield frozenset(self._replicas.get(service, ()))
        await asyncio.Event().wait()

    def registered(self, service: str, replica: Replica) -> AbstractAsyncContextManager[None]:
        """Do nothing: whoever wrote the list knows."""
        return nullcontext()


class Named(Listed):
    """Names of the domain name system, each of which has an address for every replica of its version."""

    async def watch(self, service: str) -> AsyncIterator[frozenset[Replica]]:
        """Resolve every few seconds."""
        known: frozenset[Replica] | None = None
        while True:
            found = frozenset().union(*[await _resolved(name) for name in self._replicas.get(service, ())])
            if found != known:
                known = found
                yield found
            await asyncio.sleep(RESOLVE_SECONDS)


def discovery(url: str) -> Discovery:
    """Return what a DISCOVERY_URL names.

    Args:
        url: `static://orders=host:port,host:port;inventory=host:port@version`, `dns://` with names in place of the
            hosts, `etcd://host:port` or `consul://host:port`.

    Raises:
        ValueError: it is none of these.
    """
    scheme, _, rest = url.partition("://")
    match scheme:
        case "static":
            return Listed(_list(rest))
        case "dns":
            return Named(_list(rest))
        case "etcd":
            from shop.reliability.etcd import Etcd  # noqa: PLC0415 - whoever has none needs no client

            return Etcd(f"http://{rest}")
        case "consul":
            from shop.reliability.consul import Consul  # noqa: PLC0415 - likewise

            return Consul(f"http://{rest}")
        case _:
            raise ValueError(f"DISCOVERY_URL={url!r}: supported are static://, dns://, etcd:// and consul://")


def names_of(url: str, service: str) -> tuple[str, ...]:
    """Return the names that a `dns://` URL has for a service; none for any other URL, nor where names have versions."""
    scheme, _, rest = url.partition("://")
    names = _list(rest).get(service, ()) if scheme == "dns" else ()
    return () if any(name.version for name in names) else tuple(name.address for name in names)


@asynccontextmanager
async def registered(url: str, service: str, address: str) -> AsyncIterator[None]:
    """Register this process where a DISCOVERY_URL says, under the version its signals carry; nowhere if it is empty."""
    if not url:
        yield
        return
    version = Settings.from_env().resource_attributes.get("service.version", "")
    async with discovery(url).registered(service, Replica(address, version)):
        log.info("registered", address=address)
        yield


@asynccontextmanager
async def kept_up(begin: Ask, renew: Ask, leave: Ask) -> AsyncIterator[None]:
    """Renew a lease as long as the body runs; where it is lost, begin anew as soon as the registry answers."""

    async def keep() -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            try:
                await renew()
            except Exception as error:
                log.warning("registration lost, will register again", error=repr(error))
                try:
                    await begin()
                except Exception as again:
                    log.debug("the registry does not answer", error=repr(again))

    with unobserved():
        await begin()
        task = asyncio.create_task(keep())
    try:
        yield
    finally:
        task.cancel()
        with unobserved():
            try:
                await leave()
            except Exception as error:  # the lease ends by itself
                log.warning("the registry was not told of leaving", error=repr(error))


class unobserved:  # noqa: N801 - used as a context manager
    """Keep what is asked of a registry out of the telemetry: it goes on all the time, and says nothing of a request."""

    def __enter__(self) -> None:
        self._token = context.attach(context.set_value("suppress_instrumentation", True))

    def __exit__(self, *_exc: object) -> None:
        context.detach(self._token)


def _list(text: str) -> dict[str, tuple[Replica, ...]]:
    pairs = (part.partition("=") for part in text.strip("/").split(";") if part)
    return {service: tuple(map(Replica.parse, replicas.split(","))) for service, _, replicas in pairs}


async def _resolved(name: Replica) -> frozenset[Replica]:
    host, _, port = name.address.rpartition(":")
    found = await asyncio.get_running_loop().getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    return frozenset(
        replace(name, address=f"[{at[0]}]:{at[1]}" if family is socket.AF_INET6 else f"{at[0]}:{at[1]}")
        for family, *_, at in found
    )
