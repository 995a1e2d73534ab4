"""Outbox: a message is stored in the transaction of the change it tells about, and published afterwards.

So a crash can neither publish what was rolled back nor lose what was committed. The relay publishes; see relay.py.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from opentelemetry import context, propagate
from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text, delete, func, insert, select
from sqlalchemy import update as sql_update

from instrumentation.patterns import Outbox as OutboxTelemetry
from shop.reliability.database import after_commit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from opentelemetry.trace import SpanContext
    from sqlalchemy.ext.asyncio import AsyncConnection

_LINK_KEY = "instrumentation.link"
"""Context key under which the kit looks for a link to add to PRODUCER spans."""


class Message(Protocol):
    """What a service publishes; its class says where."""

    subject: ClassVar[str]

    @property
    def event_id(self) -> str:
        """Unique over all services."""
        ...

    @property
    def about(self) -> str:
        """The id of the thing it tells about."""
        ...

    def to_json(self) -> str:
        """Return its body."""
        ...


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One row that waits to be published.

    Attributes:
        row_id: Grows with each row of the service: the order of publication.
        message_id: Unique over all services; the consumer's inbox and the broker drop a second one.
        about: Id of the thing it tells about: the broker keeps the order of messages that have the same.
        headers: Trace context and baggage of the transaction that stored the row, as header names and values.
    """

    row_id: int
    message_id: str
    subject: str
    about: str
    body: str
    headers: dict[str, str]
    stored_at_ns: int


class Outbox:
    """Messages of one service, stored beside its data."""

    def __init__(self, metadata: MetaData) -> None:
        self.telemetry = OutboxTelemetry()
        self._listeners: list[Callable[[], None]] = []
        self.table = Table(
            "outbox",
            metadata,
            # INTEGER is what SQLite counts up by itself.
            Column("row_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
            Column("message_id", String(64), nullable=False, unique=True),
            Column("subject", String(255), nullable=False),
            Column("about", String(64), nullable=False),
            Column("body", Text, nullable=False),
            Column("headers", Text, nullable=False),
            Column("stored_at_ns", BigInteger, nullable=False),
            Column("sent_at_ns", BigInteger, nullable=True),
        )
        unsent = self.table.c.sent_at_ns.is_(None)
        Index("outbox_unsent", self.table.c.row_id, sqlite_where=unsent, postgresql_where=unsent)
        Index("outbox_about", self.table.c.about)

    async def put(self, connection: AsyncConnection, message: Message) -> None:
        """Store a message, and the trace it belongs to, in the caller's transaction."""
        headers: dict[str, str] = {}
        propagate.inject(headers)
        row = {
            "message_id": message.event_id,
            "subject": message.subject,
            "about": message.about,
            "body": message.to_json(),
            "headers": json.dumps(headers),
            "stored_at_ns": time.time_ns(),
        }
        await connection.execute(insert(self.table).values(row))
        after_commit(connection, self._stored)

    @contextmanager
    def listening(self, tell: Callable[[], None]) -> Iterator[None]:
        """Call `tell` after each commit of this process that stored a message, as long as the body runs."""
        self._listeners.append(tell)
        try:
            yield
        finally:
            self._listeners.remove(tell)

    def _stored(self) -> None:
        self.telemetry.stored()
        for tell in self._listeners:
            tell()

    async def unsent(self, connection: AsyncConnection, limit: int) -> list[StoredMessage]:
        """Return the oldest messages not yet marked as sent, in the order they were stored."""
        columns = self.table.c
        query = select(
            columns.row_id,
            columns.message_id,
            columns.subject,
            columns.about,
            columns.body,
            columns.headers,
            columns.stored_at_ns,
        )
        rows = await connection.execute(query.where(columns.sent_at_ns.is_(None)).order_by(columns.row_id).limit(limit))
        return [_message(row) for row in rows]

    async def mark_sent(self, connection: AsyncConnection, row_ids: Sequence[int]) -> None:
        """Record that the broker has stored these messages."""
        chosen = self.table.c.row_id.in_(row_ids)
        await connection.execute(sql_update(self.table).where(chosen).values(sent_at_ns=time.time_ns()))

    async def waiting(self, connection: AsyncConnection) -> tuple[int, float]:
        """Count the messages that wait to be sent, and tell the age of the oldest in seconds, 0 if there is none."""
        columns = self.table.c
        query = select(func.count(), func.min(columns.stored_at_ns)).where(columns.sent_at_ns.is_(None))
        depth, oldest_ns = (await connection.execute(query)).one()
        return depth, 0.0 if oldest_ns is None else max(0.0, (time.time_ns() - oldest_ns) / 1e9)

    async def prune(self, connection: AsyncConnection, before_ns: int) -> int:
        """Delete what was sent before then and return how many rows; what was not sent stays."""
        old = self.table.c.sent_at_ns < before_ns
        return (await connection.execute(delete(self.table).where(old))).rowcount

    async def origin(self, connection: AsyncConnection, about: str) -> dict[str, str]:
        """Return the headers stored with the first message about a thing; empty if there is none."""
        query = select(self.table.c.headers).where(self.table.c.about == about)
        headers = (await connection.execute(query.order_by(self.table.c.row_id).limit(1))).scalar()
        return json.loads(headers) if headers else {}


@contextmanager
def resumed(headers: dict[str, str], link: SpanContext | None = None) -> Iterator[None]:
    """Continue the trace that stored `headers`: what is stored or published inside belongs to it.

    Args:
        headers: As stored with a message; without trace context in them the current trace goes on.
        link: A span of another trace that what is published inside shall link to.
    """
    restored = propagate.extract(headers)
    token = context.attach(restored if link is None else context.set_value(_LINK_KEY, link, restored))
    try:
        yield
    finally:
        context.detach(token)


def _message(row: Any) -> StoredMessage:
    headers = json.loads(row.headers)
    return StoredMessage(row.row_id, row.message_id, row.subject, row.about, row.body, headers, row.stored_at_ns)
