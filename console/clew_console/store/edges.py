"""Find who called whom: a client's span and its server's come apart and in any order."""

import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from clew_console.store.identities import EdgeKey
from clew_console.store.term import key_prefix
from clew_console.store.value import plain_text, python_value

MAX_WAITING = 30_000
"""Of each side; the oldest are given up for newer ones. 30,000 calls take about 10 MiB."""
MAX_WAIT_SECONDS = 10.0
"""After that a call that no server told of went to another host. An SDK sends within 5 s."""

SERVICE, DATABASE, QUEUE, EXTERNAL = "service", "database", "queue", "external"

_SYSTEM, _NAMESPACE, _DESTINATION, _ADDRESS = range(4)
_KEYS = {
    key_prefix("db.system.name"): _SYSTEM,
    key_prefix("db.system"): _SYSTEM,
    key_prefix("db.namespace"): _NAMESPACE,
    key_prefix("messaging.destination.name"): _DESTINATION,
    key_prefix("server.address"): _ADDRESS,
    key_prefix("peer.service"): _ADDRESS,
}


@dataclass(frozen=True, slots=True)
class Call:
    """A call as its caller measured it: when, how long (as a bucket), how it ended."""

    service: str
    minute: int
    bucket: int
    is_error: bool
    address: str
    seen_at: float


class Edges:
    """Remembers calls until their other side comes. Used by the writer's thread alone."""

    def __init__(self) -> None:
        self._calls: dict[bytes, Call] = {}
        self._servers: dict[bytes, str] = {}

    def called(self, span_id: bytes, call: Call) -> EdgeKey | None:
        """Take a client's span; return the edge if its server is known."""
        server = self._servers.pop(span_id, None)
        if server is not None:
            return SERVICE, call.service, SERVICE, server
        self._calls[span_id] = call
        return None

    def served(self, parent: bytes, service: str) -> tuple[EdgeKey, Call] | None:
        """Take a server's span; return the edge with its caller's measurement if that is known."""
        call = self._calls.pop(parent, None)
        if call is not None:
            return (SERVICE, call.service, SERVICE, service), call
        self._servers[parent] = service
        if len(self._servers) > MAX_WAITING:
            del self._servers[next(iter(self._servers))]
        return None

    def given_up(self) -> Iterator[tuple[EdgeKey, Call]]:
        """Yield the calls that nobody answered in time, as calls to another host."""
        too_old = time.monotonic() - MAX_WAIT_SECONDS
        while self._calls:
            span_id = next(iter(self._calls))
            call = self._calls[span_id]
            if call.seen_at > too_old and len(self._calls) <= MAX_WAITING:
                return
            del self._calls[span_id]
            if call.address:
                yield (SERVICE, call.service, EXTERNAL, call.address), call


@dataclass(frozen=True, slots=True)
class Peer:
    """What a span's attributes say of the other side."""

    database: str = ""
    queue: str = ""
    address: str = ""


class Peers:
    """Tells the other side from attribute numbers, for one block with its pairs in order."""

    def __init__(self, ordered: Sequence[bytes]) -> None:
        self._told: dict[int, tuple[int, str]] = {}
        for prefix, what in _KEYS.items():
            number = bisect_left(ordered, prefix)
            while number < len(ordered) and ordered[number].startswith(prefix):
                self._told[number] = what, plain_text(python_value(KeyValue.FromString(ordered[number]).value))
                number += 1

    def of(self, attributes: Sequence[int]) -> Peer:
        """Return the other side of a span with these attributes."""
        told = self._told
        found = [told[number] for number in attributes if number in told]
        if not found:
            return Peer()
        texts = ["", "", "", ""]
        for what, text in found:
            texts[what] = texts[what] or text
        database = f"{texts[_SYSTEM]} {texts[_NAMESPACE]}".strip() if texts[_SYSTEM] else ""
        return Peer(database, texts[_DESTINATION], texts[_ADDRESS])
