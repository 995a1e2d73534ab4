"""The broker as services see it: subjects to publish to and to read, each message handled at least once."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from faststream import BaseMiddleware
from opentelemetry import trace

from instrumentation import get_logger
from instrumentation.patterns import Backlog
from shop.reliability.dead_letters import DeadLetters
from shop.reliability.turns import Turns
from shop.reliability.wire import MAX_DELIVERIES, Letter, Wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from faststream.message import StreamMessage

    from shop.reliability.outbox import StoredMessage

BACKLOG_SECONDS = 1.0
"""How often the broker is asked what waits for readers."""

log = get_logger(__name__)
_broker_log = logging.getLogger(f"{__name__}.broker")
_broker_log.setLevel(logging.WARNING)  # below, FastStream tells of each of its tasks


class Stream:
    """One service's connection to the broker all services share. Open it before use, close it after.

    A message is acknowledged when its handler returns; one that fails comes again, later each time, and is put aside
    in the end. Within a process, messages about the same thing are handled in the order they came.

    Args:
        url: `nats://`, `kafka://` or `amqp://`, host and port.
        service: Name of the service; processes of one service share what it reads, and so the work.
        max_deliveries: After so many a message that fails is put aside.

    Raises:
        ValueError: the URL names a broker that is not supported.
    """

    def __init__(self, url: str, service: str, max_deliveries: int = MAX_DELIVERIES) -> None:
        self.wire = _wire(url, service)
        self._letters = DeadLetters(self.wire, max_deliveries)
        self._turns = Turns()
        self._backlog = Backlog(self.wire.system)
        self.wire.broker.add_middleware(self._settling)

    def subscriber(self, subject: str) -> Any:
        """Return a decorator for the handler of a subject."""
        return self.wire.subscriber(subject)

    def batch_subscriber(self, subject: str, purpose: str, size: int, wait_seconds: float) -> Any:
        """Return a decorator for a handler that takes up to `size` messages of a subject at once.

        Args:
            subject: What to read.
            purpose: Tells it apart from `subscriber`: both get each message.
            size: Most messages of a batch.
            wait_seconds: For a batch to fill up.
        """
        return self.wire.batch_subscriber(subject, purpose, size, wait_seconds)

    async def publish(self, message: StoredMessage) -> None:
        """Publish a stored message and wait until the broker has it."""
        await self.wire.publish(Letter(message.subject, message.about, message.message_id, message.body.encode()))

    async def watch_backlog(self) -> None:
        """Measure what waits for readers, until cancelled."""
        while True:
            try:
                for waiting in await self.wire.backlog():
                    self._backlog.waiting(waiting.subject, waiting.group, waiting.messages)
            except Exception as error:  # the broker is away; the depth of the outbox tells of it
                log.debug("the broker does not tell its backlog", error=repr(error))
            await asyncio.sleep(BACKLOG_SECONDS)

    async def __aenter__(self) -> Stream:
        """Connect, declare what is missing and begin to consume."""
        await self.wire.broker.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Let running handlers end, then disconnect."""
        await self.wire.broker.stop()
        await self.wire.close()

    def _settling(self, msg: Any, /, *, context: Any) -> BaseMiddleware[Any, Any]:
        return _Settle(self.wire, self._letters, self._turns, msg, context)


class _Settle(BaseMiddleware[Any, Any]):
    """Acknowledge a message when its handler returns; give it back when it raises."""

    def __init__(self, wire: Wire, dead: DeadLetters, turns: Turns, msg: Any, context: Any) -> None:
        super().__init__(msg, context=context)
        self._wire = wire
        self._dead = dead
        self._turns = turns

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: StreamMessage[Any]) -> Any:
        """Run the handler and settle the message; the handler's exception goes on to whoever records it."""
        first = self._wire.letters(msg)[0]
        # Brokers call a reader's place differently; in a trace it is what the shop calls it.
        trace.get_current_span().update_name(f"process {first.subject}")
        async with self._turns.of(f"{first.subject} {first.key or first.message_id}"):
            try:
                result = await call_next(msg)
            except Exception as error:
                await self._dead.give_back(msg, error)
                raise
            await msg.ack()
            return result


def _wire(url: str, service: str) -> Wire:
    """Import the client of one broker alone."""
    match url.partition("://")[0]:
        case "nats":
            from shop.reliability.nats_wire import NatsWire as Chosen  # noqa: PLC0415
        case "kafka":
            from shop.reliability.kafka_wire import KafkaWire as Chosen  # noqa: PLC0415
        case "amqp" | "amqps":
            from shop.reliability.rabbitmq_wire import RabbitWire as Chosen  # noqa: PLC0415
        case _:
            raise ValueError(f"BROKER_URL={url!r}: supported are nats://, kafka:// and amqp:// with host:port")
    return Chosen(url, service, _broker_log)
