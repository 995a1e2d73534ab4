"""The broker: one JetStream stream with durable consumers, explicit acknowledgement and bounded redelivery."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from faststream import AckPolicy, BaseMiddleware
from faststream.nats import JStream, NatsBroker, PullSub
from nats.js.api import ConsumerConfig, RetentionPolicy

from shop.reliability.outbox import StoredMessage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from faststream.message import StreamMessage
    from faststream.nats.subscriber.usecases import ConcurrentPullStreamSubscriber

STREAM = "SHOP"
MAX_DELIVERIES = 12
"""With the delays below a message is tried for about 80 s, longer than a restart takes; then it is given up."""
ACK_WAIT_SECONDS = 30.0
FIRST_DELAY_SECONDS = 0.1
LAST_DELAY_SECONDS = 15.0
WORKERS = 8
"""Messages of one subject that a process handles at the same time."""
FETCH = PullSub(batch_size=1, timeout=5.0)
"""One message a request: for more, the client waits until the batch is full or the time is up."""
PUBLISH_TIMEOUT_SECONDS = 5.0

_log = logging.getLogger(__name__)
_broker_log = logging.getLogger(f"{__name__}.broker")
_broker_log.setLevel(logging.WARNING)  # below, FastStream tells of each of its tasks


class Acknowledge(BaseMiddleware):
    """Acknowledge a message when its handler returns; have it delivered again, later each time, when it raises."""

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: StreamMessage[Any]) -> Any:
        """Run the handler and settle the message; the handler's exception goes on to whoever records it."""
        try:
            result = await call_next(msg)
        except Exception:
            await _deliver_again(msg)
            raise
        await msg.ack()
        return result


async def _deliver_again(message: Any) -> None:
    delivery = message.raw_message.metadata.num_delivered
    if delivery >= MAX_DELIVERIES:
        _log.error("message given up after %d deliveries", delivery, extra={"subject": message.raw_message.subject})
        await message.reject()
        return
    await message.nack(delay=min(FIRST_DELAY_SECONDS * 2 ** (delivery - 1), LAST_DELAY_SECONDS))


class Stream:
    """One service's connection to the stream all services share.

    Args:
        url: `nats://host:port`.
        service: Name of the service; processes of one service share its consumers and so the work.

    Raises:
        ValueError: the URL names a broker that is not supported.
    """

    def __init__(self, url: str, service: str) -> None:
        if not url.startswith("nats://"):
            raise ValueError(f"BROKER_URL={url!r}: supported is nats://host:port")
        self._service = service
        self._stream = JStream(
            STREAM,
            # All subjects of the shop; each service declares the same, so whichever starts first creates it.
            subjects=["orders.>", "inventory.>", "payments.>"],
            retention=RetentionPolicy.LIMITS,
            max_age=24 * 3600.0,
            max_bytes=256 * 1024 * 1024,
            duplicate_window=120.0,
        )
        self.broker = NatsBroker(
            url,
            name=service,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            graceful_timeout=3.0,
            middlewares=(Acknowledge,),
            logger=_broker_log,
            log_level=logging.DEBUG,
        )

    def subscriber(self, subject: str) -> ConcurrentPullStreamSubscriber:
        """Return a decorator for the handler of a subject; the durable consumer is named by service and subject."""
        return self.broker.subscriber(
            subject,
            durable=f"{self._service}-{subject.replace('.', '-')}",
            stream=self._stream,
            pull_sub=FETCH,
            max_workers=WORKERS,
            config=ConsumerConfig(max_deliver=MAX_DELIVERIES, ack_wait=ACK_WAIT_SECONDS),
            ack_policy=AckPolicy.MANUAL,
        )

    async def publish(self, message: StoredMessage) -> None:
        """Publish a stored message and wait until the stream has it; the stream drops a known message id."""
        await self.broker.publish(
            message.body.encode(),
            message.subject,
            headers={"Nats-Msg-Id": message.message_id, "content-type": "application/json"},
            correlation_id=message.message_id,
            stream=STREAM,
            timeout=PUBLISH_TIMEOUT_SECONDS,
        )

    async def __aenter__(self) -> Stream:
        """Connect, declare the stream and begin to consume."""
        await self.broker.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Let running handlers end, then disconnect."""
        await self.broker.stop()
