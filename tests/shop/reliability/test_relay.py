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
from sqlalchemy import Engine, MetaData, event

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

    def __init__(self, arrived: asyncio.Event | None = None) -> None:
        self.messages: list[StoredMessage] = []
        self.traces: list[int] = []
        self.fail_on = ""
        self.arrived = arrived or asyncio.Event()

    async def publish(self, message: StoredMessage) -> None:
        if message.message_id == self.fail_on:
            raise ConnectionError("broker away")
        self.messages.append(message)
        self.traces.append(trace.get_current_span().get_span_context().trace_id)
        self.arrived.set()

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
    """While one relay publishes the other waits, so that messages keep their order; then it has its turn."""
    publishing, go_on, second = asyncio.Event(), asyncio.Event(), Broker()

    async def slowly(_message: StoredMessage) -> None:
        publishing.set()
        await go_on.wait()

    relays = [Relay(database, outbox, lease, publish) for publish in (slowly, second.publish)]
    await write(database, "a")
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        first = group.create_task(relays[0].relay_once())
        await publishing.wait()
        await write(database, "b")
        assert await relays[1].relay_once() is None
        go_on.set()
        assert await first == 1
        assert await relays[1].relay_once() == 1
    assert second.ids == ["b"]


async def test_each_of_two_relays_publishes_at_once_what_its_process_stores(open_database: Callable):
    """No process waits for the other's poll: without any poll both publish what they store."""
    arrived = asyncio.Event()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        brokers, databases = [Broker(arrived), Broker(arrived)], [await open_database(metadata) for _ in range(2)]
        # An outbox each, as each process has one.
        outboxes = [Outbox(MetaData()) for _ in range(2)]
        running = [
            group.create_task(Relay(*parts, lease, broker.publish).run())
            for *parts, broker in zip(databases, outboxes, brokers, strict=True)
        ]
        for number in range(6):
            async with databases[number % 2].write() as connection:
                await outboxes[number % 2].put(connection, Note(str(number)))
        while len(brokers[0].ids + brokers[1].ids) < 6:
            arrived.clear()
            await arrived.wait()
        for task in running:
            task.cancel()
    assert sorted(brokers[0].ids + brokers[1].ids) == list("012345")
    assert all(broker.ids == sorted(broker.ids) for broker in brokers)


@pytest.mark.slow
async def test_idle_relays_look_once_a_second(open_database: Callable):
    """Two idle processes of a service read the depth once a second each, and write nothing."""
    statements: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement.split(maxsplit=1)[0])

    async with asyncio.TaskGroup() as group:
        databases = [await open_database(metadata) for _ in range(2)]
        relays = [Relay(each, Outbox(MetaData()), lease, Broker().publish) for each in databases]
        running = [group.create_task(job()) for relay in relays for job in (relay.run, relay.watch)]
        await asyncio.sleep(0.5)  # the first pass of each
        event.listen(Engine, "before_cursor_execute", count)
        try:
            await asyncio.sleep(2)  # the idle time that is measured
        finally:
            event.remove(Engine, "before_cursor_execute", count)
        for task in running:
            task.cancel()
    assert 1 <= statements.count("SELECT") <= 4
    assert set(statements) <= {"BEGIN", "SELECT"}


async def test_what_a_dead_process_left_is_found(database: Database):
    """Nobody tells of a message whose process died before it was published: the measuring of the depth finds it."""
    broker = Broker()
    relay = Relay(database, Outbox(MetaData()), lease, broker.publish)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        running = [group.create_task(relay.run())]
        await asyncio.sleep(0.1)  # its first pass is over
        await write(database, "a")
        running.append(group.create_task(relay.watch()))
        await broker.arrived.wait()
        for task in running:
            task.cancel()
    assert broker.ids == ["a"]


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
    assert await Relay(database, outbox, lease, other.publish).relay_once()
    assert other.ids[-1] == "b"
