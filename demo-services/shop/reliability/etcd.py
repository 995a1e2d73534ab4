"""etcd: a key for each replica, which ends with its lease. By its JSON gateway, so that no client is needed."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from shop.reliability.discovery import LEASE_SECONDS, Replica, kept_up, unobserved

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PREFIX = "/services/"
TIMEOUT_SECONDS = 3.0
SILENCE_SECONDS = 30.0
"""A watch that says nothing for so long is begun anew: its connection may be dead."""


class Etcd:
    """Replicas as keys `/services/NAME/ADDRESS`, each with what it is as its value.

    Args:
        url: `http://host:port`.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    async def watch(self, service: str) -> AsyncIterator[frozenset[Replica]]:
        """Yield all keys of a service, then again after each change."""
        async with self._client() as client:
            found, revision = await _replicas(client, service)
            yield found
            create = {"create_request": {**_range(service), "start_revision": revision + 1}}
            timeout = httpx.Timeout(TIMEOUT_SECONDS, read=SILENCE_SECONDS)
            with unobserved():
                stream = client.stream("POST", "/v3/watch", content=json.dumps(create), timeout=timeout)
                answer = await stream.__aenter__()
            try:
                async for line in answer.aiter_lines():
                    if json.loads(line).get("result", {}).get("events"):
                        found, _ = await _replicas(client, service)
                        yield found
            except httpx.ReadTimeout:
                return
            finally:
                await stream.__aexit__(None, None, None)

    @asynccontextmanager
    async def registered(self, service: str, replica: Replica) -> AsyncIterator[None]:
        """Hold a key with a lease, and take it back at the end."""
        lease = ""
        key = _text(f"{PREFIX}{service}/{replica.address}")
        async with self._client() as client:

            async def begin() -> None:
                nonlocal lease
                lease = (await _ask(client, "lease/grant", TTL=round(LEASE_SECONDS)))["ID"]
                await _ask(client, "kv/put", key=key, value=_text(str(replica)), lease=lease)

            async def renew() -> None:
                answer = await _ask(client, "lease/keepalive", ID=lease)
                if not int(answer["result"].get("TTL", 0)):
                    raise TimeoutError("the lease has ended")

            async def leave() -> None:
                await _ask(client, "lease/revoke", ID=lease)

            async with kept_up(begin, renew, leave):
                yield

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self._url, timeout=TIMEOUT_SECONDS)


async def _replicas(client: httpx.AsyncClient, service: str) -> tuple[frozenset[Replica], int]:
    """Return the replicas, and the revision they are of."""
    with unobserved():
        answer = await _ask(client, "kv/range", **_range(service))
    replicas = frozenset(Replica.parse(b64decode(pair["value"]).decode()) for pair in answer.get("kvs", ()))
    return replicas, int(answer["header"]["revision"])


async def _ask(client: httpx.AsyncClient, path: str, **request: Any) -> dict[str, Any]:
    return (await client.post(f"/v3/{path}", json=request)).raise_for_status().json()


def _range(service: str) -> dict[str, str]:
    """Select all keys of a service: up to the key that follows the last possible one."""
    return {"key": _text(f"{PREFIX}{service}/"), "range_end": _text(f"{PREFIX}{service}0")}


def _text(value: str) -> str:
    return b64encode(value.encode()).decode()
