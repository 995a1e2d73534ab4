"""The rows that others refer to, with a memory of those already written."""

import sqlite3
from collections.abc import Hashable
from typing import TypeVar

from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from clew_console.store.resource import digest, service_name

MAX_REMEMBERED = 50_000
"""Per table; past it the memory starts anew, which costs a lookup per row until it is warm."""
MAX_OPERATIONS = 2000
"""Per segment; requests with more names than that are counted as one operation per service."""
OTHER_OPERATIONS = "(other)"

K = TypeVar("K", bound=Hashable)
EdgeKey = tuple[str, str, str, str]


class Identities:
    """Ids of rows in one segment. After a rolled back transaction make a new one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.services: dict[int, str] = {}
        self._resources: dict[tuple[bytes, bytes], int] = {}
        self._scopes: dict[tuple[bytes, bytes], int] = {}
        self._series: dict[bytes, int] = {}
        self._operations: dict[tuple[str, str], int] = {}
        self._edges: dict[EdgeKey, int] = {}

    def emitter(self, resource: bytes, resource_url: bytes, scope: bytes, scope_url: bytes) -> tuple[int, int]:
        """Return the ids of an encoded Resource and InstrumentationScope, each with its schema url."""
        return self.resource(resource, resource_url), self._scope(scope, scope_url)

    def resource(self, encoded: bytes, schema_url: bytes = b"") -> int:
        """Return the id of the resource, inserting it when it is new."""
        found = self._resources.get((encoded, schema_url))
        if found is None:
            url, service = schema_url.decode(errors="replace"), service_name(Resource.FromString(encoded))
            row = (digest(encoded, url), service, url, encoded)
            insert = "INSERT OR IGNORE INTO resource (digest, service, schema_url, encoded) VALUES (?, ?, ?, ?)"
            self.connection.execute(insert, row)
            found = self._one("SELECT id FROM resource WHERE digest = ?", row[0])
            _remember(self._resources, (encoded, schema_url), found)
            self.services[found] = service
        return found

    def _scope(self, encoded: bytes, schema_url: bytes) -> int:
        found = self._scopes.get((encoded, schema_url))
        if found is None:
            url = schema_url.decode(errors="replace")
            row = (digest(encoded, url), url, encoded)
            insert = "INSERT OR IGNORE INTO scope (digest, schema_url, encoded) VALUES (?, ?, ?)"
            self.connection.execute(insert, row)
            found = self._one("SELECT id FROM scope WHERE digest = ?", row[0])
            _remember(self._scopes, (encoded, schema_url), found)
        return found

    def service(self, resource_id: int) -> str:
        """Return the service of a resource of this segment."""
        found = self.services.get(resource_id)
        if found is None:
            found = self.services[resource_id] = self._one("SELECT service FROM resource WHERE id = ?", resource_id)
        return found

    def operation(self, service: str, name: str) -> int:
        """Return the id of a kind of request, or of the service's others when there are too many."""
        found = self._operations.get((service, name))
        if found is None:
            known = "SELECT id FROM operation WHERE service = ? AND name = ?"
            row = self.connection.execute(known, (service, name)).fetchone()
            if row is None and self._one("SELECT count(*) FROM operation") >= MAX_OPERATIONS:
                name = OTHER_OPERATIONS
            insert = "INSERT OR IGNORE INTO operation (service, name) VALUES (?, ?)"
            self.connection.execute(insert, (service, name))
            found = self._one(known, service, name)
            _remember(self._operations, (service, name), found)
        return found

    def edge(self, key: EdgeKey) -> int:
        """Return the id of an edge: source kind, source, target kind, target."""
        found = self._edges.get(key)
        if found is None:
            columns = "source_kind, source, target_kind, target"
            self.connection.execute(f"INSERT OR IGNORE INTO edge ({columns}) VALUES (?, ?, ?, ?)", key)  # noqa: S608 - constants
            known = "SELECT id FROM edge WHERE source_kind = ? AND source = ? AND target_kind = ? AND target = ?"
            found = _remember(self._edges, key, self._one(known, *key))
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

    def _one(self, query: str, *parameters: object) -> int:
        return self.connection.execute(query, parameters).fetchone()[0]


def _remember(known: dict[K, int], key: K, identity: int) -> int:
    if len(known) >= MAX_REMEMBERED:
        known.clear()
    known[key] = identity
    return identity
