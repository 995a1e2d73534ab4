"""NATS: one JetStream stream with durable consumers, explicit acknowledgement and bounded redelivery."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from nats.js.api import ConsumerConfig, RetentionPolicy

from shop.reliability.wire import KEY_HEADER, MAX_DELIVERIES, PUBLISH_TIMEOUT_SECONDS, WORKERS, Letter, Waiting, text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from faststream.message import StreamMessage

STREAM = "SHOP"
SUBJECTS = ["orders.>", "inventory.>", "payments.>", "dead.>"]
"""All subjects of the shop; each service declares the same, so whichever starts first creates the stream."""
ACK_WAIT_SECONDS = 30.0
FETCH = PullSub(batch_size=1, timeout=5.0)
"""One message a request: for more, the client waits until the batch is full or the time is up."""
ID_HEADER = "Nats-Msg-Id"


class NatsWire:
    """The stream that all services share.

    Args:
        url: `nats://host:port`.
        service: Name of the service; its processes share durable consumers, named by service and subject.
    """

    system = "nats"

    def __init__(self, url: str, service: str, logger: logging.Logger) -> None:
        self._service = service
        self._stream = JStream(
            STREAM,
            subjects=SUBJECTS,
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
            logger=logger,
            log_level=logging.DEBUG,
        )

    def subscriber(self, subject: str) -> Any:
        """Read with several workers."""
        reader = self._subscriber(subject, subject.replace(".", "-"), pull_sub=FETCH, max_workers=WORKERS)
        reader.consume = partial(_consume_or_give_back, reader, reader.consume)
        return reader

    def batch_subscriber(self, subject: str, purpose: str, size: int, wait_seconds: float) -> Any:
        """Read batches; `purpose` names the durable consumer, beside that of `subscriber`."""
        return self._subscriber(subject, purpose, pull_sub=PullSub(batch_size=size, timeout=wait_seconds, batch=True))

    def _subscriber(self, subject: str, purpose: str, **reading: Any) -> Any:
        return self.broker.subscriber(
            subject,
            durable=f"{self._service}-{purpose}",
            stream=self._stream,
            config=ConsumerConfig(max_deliver=MAX_DELIVERIES, ack_wait=ACK_WAIT_SECONDS),
            ack_policy=AckPolicy.MANUAL,
            **reading,
        )

    async def publish(self, letter: Letter, *, unread: bool = False) -> None:
        """Publish; the stream drops a message whose id it has had within two minutes."""
        own = {ID_HEADER: letter.message_id, KEY_HEADER: letter.key, "content-type": "application/json"}
        await self.broker.publish(
            letter.body,
            letter.subject,
            headers={**letter.headers, **own},
            correlation_id=letter.message_id,
            stream=STREAM,
            timeout=PUBLISH_TIMEOUT_SECONDS,
        )

    def letters(self, message: StreamMessage[Any]) -> Sequence[Letter]:
        """Read what was delivered."""
        return [_letter(part) for part in _parts(message)]

    def deliveries(self, message: StreamMessage[Any]) -> int:
        """Read the broker's own count."""
        return max(part.metadata.num_delivered for part in _parts(message))

    async def give_back(self, message: StreamMessage[Any], delay_seconds: float) -> None:
        """Let the broker wait."""
        await message.nack(delay=delay_seconds)  # type: ignore[call-arg] - NATS's takes one

    async def close(self) -> None:
        """Nothing: FastStream closes it."""

    async def backlog(self) -> Sequence[Waiting]:
        """Ask for all consumers of what this service publishes."""
        consumers = await (await self.broker.connect()).jetstream().consumers_info(STREAM)
        return [
            Waiting(info.config.filter_subject, info.name, (info.num_pending or 0) + (info.num_ack_pending or 0))
            for info in consumers
            if (info.config.filter_subject or "").startswith(f"{self._service}.")
        ]


async def _consume_or_give_back(reader: Any, consume: Callable[[Any], Awaitable[None]], raw: Any) -> None:
    """Consume a message, or leave it to another process at once if it comes while this one stops.

    FastStream drops it then, and the broker would wait ACK_WAIT_SECONDS for its acknowledgement.
    """
    if reader.running:
        await consume(raw)
    else:
        await raw.nak()


def _parts(message: StreamMessage[Any]) -> Sequence[Any]:
    raw = message.raw_message
    return raw if isinstance(raw, list) else [raw]


def _letter(raw: Any) -> Letter:
    headers = text(raw.headers)
    message_id = headers.pop(ID_HEADER, str(raw.metadata.sequence.stream))
    return Letter(raw.subject, headers.get(KEY_HEADER, ""), message_id, raw.data, headers)
