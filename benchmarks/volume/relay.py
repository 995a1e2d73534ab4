"""How many messages a second one relay publishes: `python -m benchmarks.volume.relay NATS_URL DIRECTORY` prints it.

A program of its own, instrumented as a service is. Nobody reads the messages, so nothing else takes its time.
"""

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

from shop.reliability.database import Database
from shop.reliability.outbox import Outbox
from shop.reliability.relay import Relay, lease_table
from shop.reliability.stream import Stream
from sqlalchemy import MetaData

from instrumentation import instrument

MESSAGES = 3000
UNREAD, READ = "orders.created", "orders.cancelled"


@dataclass(frozen=True, slots=True)
class Message:
    """As large as what orders tells."""

    event_id: str
    about: str
    subject: ClassVar[str] = UNREAD

    def to_json(self) -> str:
        """Return some three hundred bytes."""
        return f'{{"order_id": "{self.about}", "lines": "{"x" * 250}"}}'


async def messages_a_second(url: str, directory: Path) -> float:
    """Store messages, then relay them all."""
    metadata = MetaData()
    outbox, lease = Outbox(metadata), lease_table(metadata)
    stream = Stream(url, "relay")

    @stream.subscriber(READ)
    async def never(event: dict[str, Any]) -> None:
        """Make the broker's stream, which a reader does."""

    async with Database(f"sqlite+aiosqlite:///{directory / 'relay.db'}", metadata) as database, stream:
        async with database.write() as connection:
            for _ in range(MESSAGES):
                await outbox.put(connection, Message(uuid4().hex, uuid4().hex))
        relay = Relay(database, outbox, lease, stream.publish)
        began = time.perf_counter()
        while await relay.relay_once():
            pass
        return MESSAGES / (time.perf_counter() - began)


if __name__ == "__main__":
    instrument(service_name="relay")
    print(asyncio.run(messages_a_second(sys.argv[1], Path(sys.argv[2]))))  # the last line: others are log lines
