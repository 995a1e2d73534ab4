"""RabbitMQ: a fanout exchange for each subject, a quorum queue for each reader."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from aio_pika.exceptions import ChannelNotFoundEntity
from faststream import AckPolicy
from faststream.rabbit import Channel, ExchangeType, QueueType, RabbitBroker, RabbitExchange, RabbitQueue

from shop.contracts.events import READERS
from shop.reliability.wire import KEY_HEADER, PUBLISH_TIMEOUT_SECONDS, WORKERS, Letter, Waiting, text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from faststream.message import StreamMessage


class RabbitWire:
    """Queues of RabbitMQ. A message waits in the outbox until the first reader of its subject has declared a queue.

    There are no delays and no batches: a message that fails is given back after a pause, in which it holds one of the
    places that a process may have unacknowledged; batches have one message.

    Args:
        url: `amqp://user:password@host:port/vhost`.
        service: Name of the service; its queues are named by service and subject.
    """

    system = "rabbitmq"

    def __init__(self, url: str, service: str, logger: logging.Logger) -> None:
        self._service = service
        self._read: list[tuple[str, RabbitQueue]] = []
        self.broker = RabbitBroker(
            url,
            reconnect_interval=1.0,
            default_channel=Channel(prefetch_count=WORKERS, on_return_raises=True),
            app_id=service,
            graceful_timeout=3.0,
            logger=logger,
            log_level=logging.DEBUG,
        )

    def subscriber(self, subject: str) -> Any:
        """Read with as many unacknowledged messages as there are workers."""
        return self._subscriber(subject, subject.replace(".", "-"))

    def batch_subscriber(self, subject: str, purpose: str, size: int, wait_seconds: float) -> Any:
        """Read batches of one, from a queue of their own."""
        decorate = self._subscriber(subject, purpose)
        return lambda handler: decorate(_one_by_one(handler))

    def _subscriber(self, subject: str, purpose: str) -> Any:
        queue = _queue(f"{self._service}-{purpose}")
        self._read.append((subject, queue))
        return self.broker.subscriber(queue, _exchange(subject), ack_policy=AckPolicy.MANUAL)

    async def publish(self, letter: Letter, *, unread: bool = False) -> None:
        """Publish and wait until a quorum of each bound queue has it; raise if no queue is bound."""
        async with asyncio.timeout(PUBLISH_TIMEOUT_SECONDS):
            exchange = await self.broker.declare_exchange(_exchange(letter.subject))
            if unread:
                await (await self.broker.declare_queue(_queue(letter.subject))).bind(exchange)
            await self.broker.publish(
                letter.body,
                exchange=_exchange(letter.subject),
                persist=True,
                message_id=letter.message_id,
                correlation_id=letter.message_id,
                timestamp=datetime.now(UTC),
                content_type="application/json",
                headers={**letter.headers, KEY_HEADER: letter.key},
            )

    def letters(self, message: StreamMessage[Any]) -> Sequence[Letter]:
        """Read what was delivered."""
        raw = message.raw_message
        headers = text(raw.headers)
        return [Letter(raw.exchange, headers.get(KEY_HEADER, ""), raw.message_id, raw.body, headers)]

    def deliveries(self, message: StreamMessage[Any]) -> int:
        """Read the quorum queue's count of those that failed."""
        return 1 + int(message.raw_message.headers.get("x-delivery-count", 0))

    async def give_back(self, message: StreamMessage[Any], delay_seconds: float) -> None:
        """Wait, then put it back."""
        await asyncio.sleep(delay_seconds)
        await message.nack()

    async def close(self) -> None:
        """Nothing: FastStream closes it."""

    async def backlog(self) -> Sequence[Waiting]:
        """Ask for this service's own queues, and for those that its contracts say read what it publishes.

        RabbitMQ itself tells no client who reads without its management plugin.
        """
        subjects = {queue.name: subject for subject, queue in self._read}
        for subject, groups in READERS.items():
            if subject.startswith(f"{self._service}."):
                subjects |= dict.fromkeys(groups, subject)
        ready = {name: await self._ready(name) for name in sorted(subjects)}
        return [Waiting(subjects[name], name, messages) for name, messages in ready.items() if messages is not None]

    async def _ready(self, queue: str) -> int | None:
        """Return how many messages a queue has ready; None if nobody has declared it yet.

        RabbitMQ closes the channel then, so each question has one of its own.
        """
        connection = await self.broker.connect()
        async with connection.channel() as channel:
            try:
                declared = await channel.declare_queue(queue, passive=True)
            except ChannelNotFoundEntity:
                return None
        return declared.declaration_result.message_count or 0


def _queue(name: str) -> RabbitQueue:
    return RabbitQueue(name, durable=True, queue_type=QueueType.QUORUM)


def _exchange(subject: str) -> RabbitExchange:
    return RabbitExchange(subject, type=ExchangeType.FANOUT, durable=True)


def _one_by_one(handler: Callable[[list[Any]], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    """Make a handler of one message of one that takes a list."""
    (annotation,) = (kind for name, kind in get_type_hints(handler).items() if name != "return")

    async def one(event):  # noqa: ANN001, ANN202 - annotated below, with what the list holds
        await handler([event])

    one.__annotations__ = {"event": get_args(annotation)[0]}
    return one
