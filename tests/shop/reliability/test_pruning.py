import time
from collections.abc import Callable

from shop.reliability.idempotency import IdempotencyKeys
from shop.reliability.inbox import Inbox
from shop.reliability.outbox import Outbox
from shop.reliability.pruning import prune
from sqlalchemy import MetaData, func, insert, select

metadata = MetaData()
outbox, inbox, keys = Outbox(metadata), Inbox(metadata), IdempotencyKeys(metadata, "test")
OLD_NS, NEW_NS = time.time_ns() - 7200 * 10**9, time.time_ns()


def rows():
    """An old and a new row of each kind, and an old message that was never sent."""
    message = {"subject": "s", "about": "a", "body": "{}", "headers": "{}"}
    sent = [("old", OLD_NS, OLD_NS), ("new", NEW_NS, NEW_NS), ("unsent", OLD_NS, None)]
    yield outbox.table, [{**message, "message_id": m, "stored_at_ns": a, "sent_at_ns": b} for m, a, b in sent]
    yield inbox.table, [{"message_id": m, "received_at_ns": at} for m, at in (("old", OLD_NS), ("new", NEW_NS))]
    answer = {"fingerprint": "f", "answer": "a"}
    yield keys.table, [{**answer, "key": k, "created_at_ns": at} for k, at in (("old", OLD_NS), ("new", NEW_NS))]


async def test_old_rows_are_forgotten_and_unsent_messages_never(open_database: Callable):
    """What is older than the time given goes; what is newer stays, and so does a message that was not sent."""
    database = await open_database(metadata)
    async with database.write() as connection:
        for table, values in rows():
            await connection.execute(insert(table), values)
    assert await prune(database, outbox, inbox, keys, keep_seconds=3600) == 3
    async with database.read() as connection:
        counts = [(await connection.execute(select(func.count()).select_from(t))).scalar_one() for t, _ in rows()]
        assert counts == [2, 1, 1]
        assert [message.message_id for message in await outbox.unsent(connection, 10)] == ["unsent"]
    assert await prune(database, outbox, inbox, keys, keep_seconds=3600) == 0
