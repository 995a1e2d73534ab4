"""A service's database: what a task that is cancelled leaves behind."""

import asyncio
import time

import pytest
from shop.reliability.database import BUSY_TIMEOUT_MS, Database
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select

CANCELLED = 100

metadata = MetaData()
rows = Table("rows", metadata, Column("number", Integer, primary_key=True))


async def test_a_cancelled_transaction_keeps_no_lock(tmp_path):
    """Whichever step of a transaction is interrupted, nothing of it is stored and the next one need not wait."""
    async with Database(f"sqlite+aiosqlite:///{tmp_path}/rows.db", metadata) as database:

        async def step_by_step():
            async with database.write() as connection:
                for _ in range(3):
                    await connection.execute(insert(rows))
                    await connection.execute(select(rows))
                await asyncio.Event().wait()

        began = time.monotonic()
        for turn in range(CANCELLED):
            task = asyncio.create_task(step_by_step())
            await asyncio.sleep(0.005 * turn / CANCELLED)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        async with database.write() as connection:
            assert await connection.scalar(select(func.count()).select_from(rows)) == 0
        assert time.monotonic() - began < BUSY_TIMEOUT_MS / 1000
