"""Kafka: a topic for each subject, partitioned by key, a consumer group for each reader."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl
from weakref import WeakKeyDictionary

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, Topic

from shop.reliability.environment import number
from shop.reliability.wire import KEY_HEADER, PUBLISH_TIMEOUT_SECONDS, Letter, Waiting, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from faststream.message import StreamMessage

PARTITIONS = 4
"""Of each topic, unless the URL says otherwise: so many processes of a service can share it."""
REPLICAS = 1
"""Brokers that have each partition, unless the URL says otherwise; no more than there are."""
ID_HEADER = "message-id"
REQUEST_TIMEOUT_MS = 4000


class KafkaWire:
    """Topics of Kafka. A partition is handled message by message, so a key's order holds across processes.

    A message that fails is read again at once where the client stands, after a pause in which those behind it in its
    partition wait. Kafka counts no deliveries: this process counts them.

    Args:
        url: `kafka://host:port,host:port`, and `?partitions=48&replicas=3` of the topics that are made.
        service: Name of the service; its groups are named by service and subject.

    Raises:
        ValueError: the URL has an option that there is not, or a number that is none.
    """

    system = "kafka"

    def __init__(self, url: str, service: str, logger: logging.Logger) -> None:
        self._service = service
        servers, _, query = url.removeprefix("kafka://").partition("?")
        self._servers = servers.split(",")
        self._partitions, self._replicas = _of_topics(query)
        self._failing: WeakKeyDictionary[Any, dict[tuple[str, int], tuple[int, int]]] = WeakKeyDictionary()
        self._known: set[str] = set()
        self._clients: tuple[AIOKafkaAdminClient, AIOKafkaConsumer] | None = None
        self._connecting = asyncio.Lock()
        self._read: set[tuple[str, str]] = set()
        self.broker = KafkaBroker(
            self._servers,
            client_id=service,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            acks="all",
            graceful_timeout=3.0,
            logger=logger,
            log_level=logging.DEBUG,
        )

    def subscriber(self, subject: str) -> Any:
        """Read message by message."""
        return self._subscriber(subject, subject.replace(".", "-"))

    def batch_subscriber(self, subject: str, purpose: str, size: int, wait_seconds: float) -> Any:
        """Read batches, in a group of their own."""
        return self._subscriber(
            subject, purpose, batch=True, max_records=size, batch_timeout_ms=int(wait_seconds * 1000)
        )

    def _subscriber(self, subject: str, purpose: str, **reading: Any) -> Any:
        group = f"{self._service}-{purpose}"
        self._read.add((subject, group))
        return self.broker.subscriber(
            Topic(subject, num_partitions=self._partitions, replication_factor=self._replicas),
            group_id=group,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            **reading,
        )

    async def publish(self, letter: Letter, *, unread: bool = False) -> None:
        """Publish to the partition of the key, and wait for all replicas in sync."""
        own = {ID_HEADER: letter.message_id, KEY_HEADER: letter.key, "content-type": "application/json"}
        async with asyncio.timeout(PUBLISH_TIMEOUT_SECONDS):
            await self._make_topic(letter.subject)
            await self.broker.publish(
                letter.body,
                letter.subject,
                key=letter.key.encode(),
                headers={**letter.headers, **own},
                correlation_id=letter.message_id,
            )

    def letters(self, message: StreamMessage[Any]) -> Sequence[Letter]:
        """Read what was delivered."""
        return [_letter(part) for part in _parts(message)]

    def deliveries(self, message: StreamMessage[Any]) -> int:
        """Count what this process gave back before; a partition has one message at a time that fails."""
        first = _parts(message)[0]
        offset, times = self._failed(message).get((first.topic, first.partition), (first.offset, 0))
        return 1 + (times if offset == first.offset else 0)

    async def give_back(self, message: StreamMessage[Any], delay_seconds: float) -> None:
        """Wait, then read it again."""
        first = _parts(message)[0]
        self._failed(message)[first.topic, first.partition] = first.offset, self.deliveries(message)
        await asyncio.sleep(delay_seconds)
        await message.nack()

    def _failed(self, message: StreamMessage[Any]) -> dict[tuple[str, int], tuple[int, int]]:
        return self._failing.setdefault(cast("Any", message).consumer, {})

    async def backlog(self) -> Sequence[Waiting]:
        """Compare the ends of topics with what each group has committed: of those this service publishes or reads."""
        admin, _ = await self._connected()
        groups = [group for group, _ in await admin.list_consumer_groups()]
        committed = {group: await admin.list_consumer_group_offsets(group) for group in groups}
        theirs = {(place.topic, group) for group, places in committed.items() for place in places}
        pairs = self._read | {pair for pair in theirs if pair[0].startswith(f"{self._service}.")}
        ends = await self._ends(sorted({topic for topic, _ in pairs}))
        return [Waiting(topic, group, _behind(ends[topic], committed.get(group, {}))) for topic, group in sorted(pairs)]

    async def _ends(self, topics: list[str]) -> dict[str, dict[TopicPartition, int]]:
        admin, consumer = await self._connected()
        ends: dict[str, dict[TopicPartition, int]] = {}
        for found in await admin.describe_topics(topics) if topics else ():
            places = [TopicPartition(found["topic"], each["partition"]) for each in found["partitions"]]
            ends[found["topic"]] = await consumer.end_offsets(places)
        return ends

    async def _make_topic(self, name: str) -> None:
        """Create a topic that nobody reads yet: what is published must wait for its reader."""
        if name in self._known:
            return
        admin, _ = await self._connected()
        answer = (await admin.create_topics([NewTopic(name, self._partitions, self._replicas)])).to_object()
        code = answer["topic_errors"][0]["error_code"]
        if code and for_code(code) is not TopicAlreadyExistsError:
            raise for_code(code)(name)
        self._known.add(name)

    async def _connected(self) -> tuple[AIOKafkaAdminClient, AIOKafkaConsumer]:
        """Return clients of our own: one that makes topics, one that knows where they end."""
        async with self._connecting:
            if self._clients is None:
                options = {"bootstrap_servers": self._servers, "request_timeout_ms": REQUEST_TIMEOUT_MS}
                clients = AIOKafkaAdminClient(**options), AIOKafkaConsumer(**options)
                try:
                    for client in clients:
                        await client.start()
                except BaseException:
                    await _close(*clients)
                    raise
                self._clients = clients
            return self._clients

    async def close(self) -> None:
        """Close what FastStream does not know of."""
        clients, self._clients = self._clients, None
        if clients is not None:
            await _close(*clients)


async def _close(admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> None:
    await admin.close()
    await consumer.stop()


def _behind(ends: Mapping[TopicPartition, int], committed: Mapping[TopicPartition, Any]) -> int:
    """Count what a group has not acknowledged; where it has committed nothing, that is all."""
    return sum(
        max(0, end - max(0, committed[place].offset if place in committed else 0)) for place, end in ends.items()
    )


def _parts(message: StreamMessage[Any]) -> Sequence[Any]:
    raw = message.raw_message
    return raw if isinstance(raw, tuple) else (raw,)


def _letter(record: Any) -> Letter:
    headers = text(record.headers)
    message_id = headers.pop(ID_HEADER, f"{record.topic}-{record.partition}-{record.offset}")
    return Letter(record.topic, (record.key or b"").decode(), message_id, record.value, headers)


def _of_topics(query: str) -> tuple[int, int]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := set(options) - {"partitions", "replicas"}:
        raise ValueError(f"BROKER_URL: {', '.join(unknown)} is neither partitions nor replicas")
    return int(number(options, "partitions", PARTITIONS)), int(number(options, "replicas", REPLICAS))
