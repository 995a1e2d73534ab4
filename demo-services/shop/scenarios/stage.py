"""The stage: what a scenario may do to a running shop, and undo."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from shop.runner import SERVICES_STOP_SECONDS, START_TIMEOUT_SECONDS, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shop.child import Child
    from shop.runner import Shop

DOOR_TIMEOUT_SECONDS = 30.0
POISON = b'{"order_id": '


class StageError(Exception):
    """A process of the shop refused a fault, or has no admin door; the message says which and why."""


class Stage:
    """A running shop whose processes have admin doors.

    Args:
        shop: With `admin_token`, and a canary of inventory, in its plan.
        collector: What takes the telemetry of all; the shop's console if there is no other.
    """

    def __init__(self, shop: Shop, collector: Child | None = None) -> None:
        self.shop = shop
        self._collector = collector

    @contextmanager
    def fault(self, service: str, name: str, **parameters: object) -> Iterator[None]:
        """Give a service a fault, in each of its replicas, or one replica: `inventory-1`.

        Raises:
            StageError: it could not be begun.
        """
        doors = [url for process, url in self.shop.doors.items() if service in (process, process.partition("-")[0])]
        if not doors:
            raise StageError(f"{service} has no admin door: start the shop with one")
        with ExitStack() as begun:
            for url in doors:
                self._send("PUT", f"{url}/faults/{name}", parameters)
                begun.callback(self._send, "DELETE", f"{url}/faults/{name}")
            yield

    @contextmanager
    def canary(self, service: str, percent: float) -> Iterator[None]:
        """Give the canary of a service so much of its calls, and none again afterwards.

        Raises:
            StageError: the gateway knows of no canary.
        """
        if service not in self.shop.plan.canaries:
            raise StageError(f"{service} has no canary: start the shop with one")
        weights = f"{self.shop.doors['gateway']}/weights/{service}"
        new = self.shop.plan.canaries[service]
        self._send("PUT", weights, {VERSION: 100 - percent, new: percent})
        try:
            yield
        finally:
            self._send("PUT", weights, {VERSION: 100, new: 0})

    @contextmanager
    def without(self, *services: str) -> Iterator[None]:
        """Stop processes, each replica of a service, and start them again."""
        replicas = [child for service in services for child in self.shop.replicas(service)]
        with self._stopped([child for child in replicas if child.running]):
            yield

    @contextmanager
    def without_collector(self) -> Iterator[None]:
        """Stop what takes the telemetry, and start it again."""
        with self._stopped([self._collector or self.shop.child("console")]):
            yield

    @contextmanager
    def poisoned(self, subject: str) -> Iterator[None]:
        """Publish a message that nobody can read. There is nothing to undo: it is put aside."""
        publish_poison(self.shop.broker_url, subject)
        yield

    @contextmanager
    def _stopped(self, children: list[Child]) -> Iterator[None]:
        for child in children:
            child.stop(SERVICES_STOP_SECONDS)
        try:
            yield
        finally:
            for child in children:
                child.start()
            for child in children:
                child.wait_ready(START_TIMEOUT_SECONDS)

    def _send(self, method: str, url: str, body: object = None) -> None:
        headers = {"Authorization": f"Bearer {self.shop.admin_token}"}
        request = urllib.request.Request(url, json.dumps(body or {}).encode(), headers, method=method)  # noqa: S310 - as made above
        try:
            urllib.request.urlopen(request, timeout=DOOR_TIMEOUT_SECONDS).close()  # noqa: S310 - likewise
        except urllib.error.HTTPError as error:
            raise StageError(f"{method} {url}: {error.read().decode(errors='replace')}") from None
        except OSError as error:
            raise StageError(f"{method} {url}: {error}; does the process run?") from None


def publish_poison(broker_url: str, subject: str) -> None:
    """Publish a message that nobody can read: whoever is given it puts it aside in the end."""
    asyncio.run(_publish(broker_url, subject))


async def _publish(broker_url: str, subject: str) -> None:
    from shop.reliability.stream import Stream  # noqa: PLC0415 - the parent of the shop has no other use for a broker
    from shop.reliability.wire import Letter  # noqa: PLC0415

    wire: Any = Stream(broker_url, "scenario").wire
    await wire.broker.start()
    try:
        message_id = f"poison-{uuid4().hex}"  # its own: the broker drops what it had within two minutes
        await wire.publish(Letter(subject, message_id, message_id, POISON))
    finally:
        await wire.broker.stop()
        await wire.close()
