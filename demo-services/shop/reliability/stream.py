"""The broker: one JetStream stream with durable consumers, explicit acknowledgement and bounded redelivery."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from nats.errors import Error as NatsError
from nats.js.api import ConsumerConfig, RetentionPolicy

from instrumentation.patterns import Backlog
from shop.reliability.dead_letters import PREFIX, DeadLetters

if TYPE_CHECKING:
    from faststream.nats.subscriber.usecases import BatchPullStreamSubscriber, ConcurrentPullStreamSubscriber

    from shop.reliability.outbox import StoredMessage

STREAM = "SHOP"
MAX_DELIVERIES = 12
"""With the delays below a message is tried for about 80 s, longer than a restart takes; then it is put aside."""
ACK_WAIT_SECONDS = 30.0
WORKERS = 8
"""Messages of one subject that a process handles at the same time."""
FETCH = PullSub(batch_size=1, timeout=5.0)
"""One message a request: for more, the client waits until the batch is full or the time is up."""
PUBLISH_TIMEOUT_SECONDS = 5.0
BACKLOG_SECONDS = 1.0
"""How often the broker is asked what waits for the consumers of what this service publishes."""

_broker_log = logging.getLogger(f"{__name__}.broker")
_broker_log.setLevel(logging.WARNING)  # below, FastStream tells of each of its tasks


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
            subjects=["orders.>", "inventory.>", "payments.>", f"{PREFIX}.>"],
            retention=RetentionPolicy.LIMITS,
            max_age=24 * 3600.0,
            max_bytes=256 * 1024 * 1024,
            duplicate_window=120.0,
        )
        self._backlog = Backlog("nats")
        letters = DeadLetters(STREAM, MAX_DELIVERIES)
        self.broker = letters.broker = NatsBroker(
            url,
            name=service,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            graceful_timeout=3.0,
            middlewares=(letters,),
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

    def batch_subscriber(self, subject: str, purpose: str, size: int, wait_seconds: float) -> BatchPullStreamSubscriber:
        """Return a decorator for a handler that takes up to `size` messages of a subject at once.

        Args:
            subject: What to read.
            purpose: Names the durable consumer, beside that of `subscriber`.
            size: Most messages of a batch.
            wait_seconds: For a batch to fill up.
        """
        return self.broker.subscriber(
            subject,
            durable=f"{self._service}-{purpose}",
            stream=self._stream,
            pull_sub=PullSub(batch_size=size, timeout=wait_seconds, batch=True),
            config=ConsumerConfig(max_deliver=MAX_DELIVERIES, ack_wait=ACK_WAIT_SECONDS),
            ack_policy=AckPolicy.MANUAL,
        )

    async def watch_backlog(self) -> None:
        """Measure what waits for those who read what this service publishes, until cancelled."""
        manager = (await self.broker.connect()).jetstream()
        while True:
            try:
                consumers = await manager.consumers_info(STREAM)
            except NatsError:
                consumers = []  # the broker is away; the depth of the outbox tells of it
            for info in consumers:
                subject = info.config.filter_subject or ""
                if subject.startswith(f"{self._service}."):
                    waiting = (info.num_pending or 0) + (info.num_ack_pending or 0)
                    self._backlog.waiting(subject, info.name, waiting)
            await asyncio.sleep(BACKLOG_SECONDS)

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
