"""Consul: replicas registered with the agent, with a check that they must pass in time. By its HTTP API."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from shop.reliability.discovery import LEASE_SECONDS, Replica, kept_up, unobserved

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

TIMEOUT_SECONDS = 3.0
WAIT_SECONDS = 10
"""How long Consul may hold a question about changes; it adds up to a sixteenth."""


class Consul:
    """Replicas as services of one name, each with an id of its own and its version as metadata.

    Args:
        url: `http://host:port` of the agent.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    async def watch(self, service: str) -> AsyncIterator[frozenset[Replica]]:
        """Ask for those that pass, each time for what is newer than the last answer."""
        known: frozenset[Replica] | None = None
        index = "0"
        async with self._client(2 * WAIT_SECONDS) as client:
            while True:
                newer = {"passing": "true", "index": index, "wait": f"{WAIT_SECONDS}s"}
                with unobserved():
                    answer = await client.get(f"/v1/health/service/{service}", params=newer)
                index = answer.raise_for_status().headers["X-Consul-Index"]
                found = frozenset(_replica(each["Service"]) for each in answer.json())
                if found != known:
                    known = found
                    yield found

    @asynccontextmanager
    async def registered(self, service: str, replica: Replica) -> AsyncIterator[None]:
        """Be a service of the agent, and no more at the end."""
        host, _, port = replica.address.rpartition(":")
        own_id = f"{service}-{replica.address}"
        check = {"TTL": f"{LEASE_SECONDS:g}s", "Status": "passing", "DeregisterCriticalServiceAfter": "1m"}
        place = {"ID": own_id, "Name": service, "Address": host, "Port": int(port)}
        body = {**place, "Meta": {"version": replica.version}, "Check": check}
        async with self._client(TIMEOUT_SECONDS) as client:

            async def begin() -> None:
                (await client.put("/v1/agent/service/register", json=body)).raise_for_status()

            async def renew() -> None:
                (await client.put(f"/v1/agent/check/pass/service:{own_id}")).raise_for_status()

            async def leave() -> None:
                (await client.put(f"/v1/agent/service/deregister/{own_id}")).raise_for_status()

            async with kept_up(begin, renew, leave):
                yield

    def _client(self, timeout_seconds: float) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self._url, timeout=timeout_seconds)


def _replica(entry: Mapping[str, Any]) -> Replica:
    return Replica(f"{entry['Address']}:{entry['Port']}", (entry.get("Meta") or {}).get("version", ""))
