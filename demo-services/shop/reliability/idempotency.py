"""Idempotency keys: a request that is sent again gets the answer of the first."""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, MetaData, String, Table, Text, delete, insert, select

from instrumentation.patterns import Idempotency as IdempotencyTelemetry
from shop.reliability.database import after_commit, take_turn

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


class KeyReusedError(Exception):
    """The key was used before for a request with another content."""


def fingerprint(content: Any) -> str:
    """Return 64 hex digits that are equal for equal JSON content, whatever the order of its keys."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(canonical).hexdigest()


class IdempotencyKeys:
    """The first answer given to each key, stored in the transaction that gave it.

    Args:
        metadata: Of the service's database.
        operation: What the keys are for.
    """

    def __init__(self, metadata: MetaData, operation: str) -> None:
        self._telemetry = IdempotencyTelemetry(operation)
        self.table = Table(
            "idempotency_keys",
            metadata,
            Column("key", String(255), primary_key=True),
            Column("fingerprint", String(64), nullable=False),
            Column("answer", Text, nullable=False),
            Column("created_at_ns", BigInteger, nullable=False),
        )

    async def find(self, connection: AsyncConnection, key: str, fingerprint: str) -> str | None:
        """Return the answer stored for a key, None if the key is new.

        Raises:
            KeyReusedError: the key belongs to a request with another fingerprint.
        """
        columns = select(self.table.c.fingerprint, self.table.c.answer)
        row = (await connection.execute(columns.where(self.table.c.key == key))).first()
        if row is None:
            return None
        if row.fingerprint != fingerprint:
            self._telemetry.conflict()
            raise KeyReusedError(key)
        self._telemetry.replayed()
        return row.answer

    async def claim(self, connection: AsyncConnection, key: str, fingerprint: str, answer: str) -> str:
        """Store `answer` for a new key and return it; return the stored answer for a known one.

        Raises:
            KeyReusedError: the key belongs to a request with another fingerprint.
        """
        await take_turn(connection, f"idempotency key {key}")
        known = await self.find(connection, key, fingerprint)
        if known is not None:
            return known
        row = {"key": key, "fingerprint": fingerprint, "answer": answer, "created_at_ns": time.time_ns()}
        await connection.execute(insert(self.table).values(row))
        after_commit(connection, self._telemetry.first)
        return answer

    async def prune(self, connection: AsyncConnection, before_ns: int) -> int:
        """Forget keys created before then and return how many; a request sent again later is a new one."""
        old = self.table.c.created_at_ns < before_ns
        return (await connection.execute(delete(self.table).where(old))).rowcount
