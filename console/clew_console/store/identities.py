"""The rows that others refer to, with a memory of those already written."""

import sqlite3
from collections.abc import Hashable
from typing import TypeVar

from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from clew_console.store.resource import digest, service_name

MAX_REMEMBERED = 50_000
"""Per table; past it the memory starts anew, which costs a lookup per row until it is warm."""

K = TypeVar("K", bound=Hashable)


class Identities:
    """Ids of resources, span names and metric series in one segment. After a rolled back transaction make a new one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._resources: dict[bytes, int] = {}
        self._names: dict[str, int] = {}
        self._series: dict[bytes, int] = {}

    def resource(self, resource: Resource, schema_url: str) -> int:
        """Return the id of the resource, inserting it when it is new."""
        encoded = resource.SerializeToString(deterministic=True)
        key = digest(encoded, schema_url)
        found = self._resources.get(key)
        if found is None:
            row = (key, service_name(resource), schema_url, encoded)
            insert = "INSERT OR IGNORE INTO resource (digest, service, schema_url, encoded) VALUES (?, ?, ?, ?)"
            self.connection.execute(insert, row)
            found = _remember(self._resources, key, self._one("SELECT id FROM resource WHERE digest = ?", key))
        return found

    def name(self, value: str) -> int:
        """Return the id of the span name."""
        found = self._names.get(value)
        if found is None:
            self.connection.execute("INSERT OR IGNORE INTO name (value) VALUES (?)", (value,))
            found = _remember(self._names, value, self._one("SELECT id FROM name WHERE value = ?", value))
        return found

    def series(
        self, resource_id: int, name: str, unit: str, kind: str, temporality: int, is_monotonic: bool, attributes: str
    ) -> int:
        """Return the id of the metric series; `attributes` is its JSON."""
        key = digest(str(resource_id), name, unit, kind, f"{temporality} {is_monotonic:d}", attributes)
        found = self._series.get(key)
        if found is None:
            insert = (
                "INSERT OR IGNORE INTO series "
                "(digest, resource_id, name, unit, type, temporality, is_monotonic, attributes) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            )
            self.connection.execute(insert, (key, resource_id, name, unit, kind, temporality, is_monotonic, attributes))
            found = _remember(self._series, key, self._one("SELECT id FROM series WHERE digest = ?", key))
        return found

    def _one(self, query: str, parameter: object) -> int:
        return self.connection.execute(query, (parameter,)).fetchone()[0]


def _remember(known: dict[K, int], key: K, identity: int) -> int:
    if len(known) >= MAX_REMEMBERED:
        known.clear()
    known[key] = identity
    return identity
