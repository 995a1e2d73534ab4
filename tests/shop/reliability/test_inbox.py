import asyncio
from collections.abc import Callable

import pytest
from shop.reliability.inbox import Inbox
from sqlalchemy import MetaData

metadata = MetaData()
inbox = Inbox(metadata)


async def test_message_is_admitted_once(open_database: Callable):
    """The second transaction with the same message id is told so."""
    database = await open_database(metadata)
    answers = []
    for _ in range(2):
        async with database.write() as connection:
            answers.append(await inbox.admit(connection, "m1"))
    assert answers == [True, False]


async def test_rolled_back_message_is_admitted_again(open_database: Callable):
    """A message whose effect was rolled back was not received."""
    database = await open_database(metadata)

    async def fail() -> None:
        async with database.write() as connection:
            await inbox.admit(connection, "m1")
            raise RuntimeError("the effect failed")

    with pytest.raises(RuntimeError, match="the effect failed"):
        await fail()
    async with database.write() as connection:
        assert await inbox.admit(connection, "m1")


async def test_two_processes_admit_a_message_once(open_database: Callable):
    """Of many concurrent deliveries to two processes on one database exactly one is admitted."""
    databases = [await open_database(metadata), await open_database(metadata)]

    async def deliver(number: int) -> bool:
        async with databases[number % 2].write() as connection:
            return await inbox.admit(connection, "m1")

    assert sum(await asyncio.gather(*map(deliver, range(10)))) == 1
