"""Pruning: rows that are there to recognise what comes twice are forgotten when nothing can come twice any more."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

from instrumentation import get_logger

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from shop.reliability.database import Database

KEEP_SECONDS = 24 * 3600.0
"""As long as the stream keeps a message; a redelivery comes within minutes."""
EVERY_SECONDS = 60.0

log = get_logger(__name__)


class Prunable(Protocol):
    """Rows that grow old."""

    async def prune(self, connection: AsyncConnection, before_ns: int) -> int:
        """Delete rows from before then and return how many."""
        ...


async def prune(database: Database, *tables: Prunable, keep_seconds: float = KEEP_SECONDS) -> int:
    """Delete what is older than `keep_seconds`, each kind in a transaction of its own; return how many rows."""
    before_ns = time.time_ns() - int(keep_seconds * 1e9)
    pruned = 0
    for table in tables:
        async with database.write() as connection:
            pruned += await table.prune(connection, before_ns)
    return pruned


async def keep_pruned(database: Database, *tables: Prunable) -> None:
    """Prune now and then until cancelled; a pass that fails is logged and the next one tries again."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        try:
            pruned = await prune(database, *tables)
        except Exception as error:
            log.warning("pruning failed, will retry", error=repr(error))
        else:
            log.debug("old rows pruned", rows=pruned)
