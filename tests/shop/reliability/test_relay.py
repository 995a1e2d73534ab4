import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

import pytest
from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from shop.reliability.database import Database
from shop.reliability.inbox import Inbox
from shop.reliability.outbox import Outbox, StoredMessage
from shop.reliability.relay import Relay, lease_table
from sqlalchemy import Engine, MetaData
from sqlalchemy.event import listen, remove

metadata = MetaData()
outbox = Outbox(metadata)
inbox = Inbox(metadata)
lease = lease_table(metadata)


@dataclass(frozen=True, slots=True)
class Note:
    """A message."""

    event_id: str
    subject: ClassVar[str] = "notes.written"
    about: str = "desk"

    def to_json(self) -> str:
        return "{}"


class Broker:
    """Remembers what is published; `fail_on` raises before the broker has that message."""

    def __init__(self) -> None:
        self.messages: list[StoredMessage] = []
        self.traces: list[int] = []
        self.fail_on = ""

    async def publish(self, message: StoredMessage) -> None:
        if message.message_id == self.fail_on:
            raise ConnectionError("broker away")
        self.messages.append(message)
        self.traces.append(trace.get_current_span().get_span_context().trace_id)

    @property
    def ids(self) -> list[str]:
        return [message.message_id for message in self.messages]


@pytest.fixture
async def database(open_database: Callable) -> Database:
    return await open_database(metadata)


async def write(database: Database, *ids: str) -> None:
    async with database.write() as connection:
        for each in ids:
            await outbox.put(connection, Note(each))


async def test_messages_are_published_once_in_order(database: Database):
    """A pass publishes what was stored, oldest first, and the next pass finds nothing."""
    broker = Broker()
    relay = Relay(database, outbox, lease, broker.publish)
    await write(database, "a", "b")
    await write(database, "c")
    assert await relay.relay_once() == 3
    assert await relay.relay_once() == 0
    assert broker.ids == ["a", "b", "c"]


async def test_rolled_back_message_is_never_published(database: Database):
    """A message of a transaction that failed does not exist."""
    broker = Broker()

    async def fail() -> None:
        async with database.write() as connection:
            await outbox.put(connection, Note("a"))
            raise RuntimeError("business failed")

    with pytest.raises(RuntimeError, match="business failed"):
        await fail()
    assert await Relay(database, outbox, lease, broker.publish).relay_once() == 0


async def test_failed_message_holds_back_those_behind_it(database: Database):
    """When one cannot be published, those before it are done and those behind it wait, in order."""
    broker = Broker()
    relay = Relay(database, outbox, lease, broker.publish)
    await write(database, "a", "b", "c")
    broker.fail_on = "b"
    with pytest.raises(ConnectionError):
        await relay.relay_once()
    broker.fail_on = ""
    await relay.relay_once()
    assert broker.ids == ["a", "b", "c"]


async def test_crash_between_publish_and_mark_gives_a_duplicate_the_inbox_absorbs(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    """A relay that dies after publishing publishes again after its restart, and the inbox admits one."""
    broker = Broker()
    await write(database, "a")

    async def crash(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "mark_sent", crash)
        with pytest.raises(KeyboardInterrupt):
            await Relay(database, outbox, lease, broker.publish).relay_once()
    async with database.write() as connection:
        await connection.execute(lease.delete())  # the dead relay's lease has run out
    await Relay(database, outbox, lease, broker.publish).relay_once()
    assert broker.ids == ["a", "a"]
    effects = 0
    for message in broker.messages:
        async with database.write() as connection:
            effects += await inbox.admit(connection, message.message_id)
    assert effects == 1


async def test_one_of_two_relays_works(database: Database):
    """While one relay holds the lease the other publishes nothing, so that messages keep their order."""
    first, second = Broker(), Broker()
    relays = [Relay(database, outbox, lease, broker.publish) for broker in (first, second)]
    await write(database, "a")
    await relays[0].relay_once()
    await write(database, "b")
    assert await relays[1].relay_once() == 0
    await relays[0].relay_once()
    assert (first.ids, second.ids) == (["a", "b"], [])


async def test_message_is_published_in_the_trace_that_stored_it(database: Database):
    """Publishing happens in the trace context of the transaction, not in that of the relay's loop."""
    broker = Broker()
    parent = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    token = context.attach(trace.set_span_in_context(NonRecordingSpan(parent)))
    await write(database, "a")
    context.detach(token)
    await Relay(database, outbox, lease, broker.publish).relay_once()
    assert broker.traces == [0xABC]


async def test_loop_publishes_as_soon_as_a_transaction_commits(database: Database):
    """A running relay needs no poll for what its own process writes, and gives up its lease when it ends."""
    published = asyncio.Event()

    async def publish(_message: StoredMessage) -> None:
        published.set()

    task = asyncio.create_task(Relay(database, outbox, lease, publish).run())
    await write(database, "a")
    async with asyncio.timeout(5):
        await published.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    other = Broker()
    await write(database, "b")
    assert await Relay(database, outbox, lease, other.publish).relay_once() >= 1
    assert other.ids[-1] == "b"


async def test_idle_relays_only_poll(database: Database, open_database: Callable):
    """Of two relays with nothing to do neither wakes itself: each asks the database five times a second."""
    other = await open_database(metadata)
    begun: list[object] = []

    def count(connection: object) -> None:
        begun.append(connection)

    listen(Engine, "begin", count)
    try:
        async with asyncio.TaskGroup() as group:
            relays = [Relay(each, outbox, lease, Broker().publish).run() for each in (database, other)]
            tasks = [group.create_task(relay) for relay in relays]
            await asyncio.sleep(1)
            for task in tasks:
                task.cancel()
    finally:
        remove(Engine, "begin", count)
    assert 2 < len(begun) < 30
