"""What each broker tells about a message that FastStream delivers: where it was, how old it is, how often it came.

NATS JetStream counts deliveries and what is left; core NATS tells nothing. RabbitMQ marks a second delivery, and counts
them for quorum queues; it does not tell a consumer the depth of its queue. Kafka tells where the partition ends and
counts nothing: a message that is read again after a failure is known by its offset, within one process.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from time import time
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from faststream import StreamMessage

from instrumentation import semconv

MAX_REMEMBERED = 4096
"""Offsets of a process whose deliveries are counted; an older one counts as new."""

Details = dict[str, str | int]
Remember = Callable[[tuple[str, int, str, int]], int]


class Delivery(NamedTuple):
    """What a broker tells with one message, or with a batch about its first and last one.

    Attributes:
        details: Span attributes.
        deliveries: How often it was delivered: 0 if unknown, 1 if it is the first time, 2 or more if again.
        is_counted: Whether `deliveries` beyond 1 is a count and not a mere "again".
        age_seconds: Since it was published, of the oldest of a batch; None if unknown.
        behind: Messages that wait behind it for the same consumer; None if unknown.
        place: Labels of `behind`, such as consumer group and partition.
    """

    details: Details
    deliveries: int = 0
    is_counted: bool = True
    age_seconds: float | None = None
    behind: int | None = None
    place: Mapping[str, str | int] = MappingProxyType({})


class Offsets:
    """Counts how often each Kafka offset was delivered to this process."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, int, str, int], int] = OrderedDict()

    def count(self, position: tuple[str, int, str, int]) -> int:
        """Return which delivery of (topic, partition, group, offset) this is, from 1."""
        times = self._seen.pop(position, 0) + 1
        self._seen[position] = times
        if len(self._seen) > MAX_REMEMBERED:
            self._seen.popitem(last=False)
        return times


def delivery(system: str, group: str, msg: StreamMessage[Any], remember: Remember) -> Delivery:
    """Return what the broker tells about a message.

    Args:
        system: `messaging.system`.
        group: Consumer group, where the subscriber names one.
        msg: The message, or batch.
        remember: Counts the deliveries of a Kafka offset.
    """
    raw = [each for each in _each(msg.raw_message) if each is not None]
    if not raw:
        return Delivery({})
    if system == "nats":
        return _nats(raw)
    if system == "kafka":
        return _kafka(raw, group, cast("Any", msg).consumer, remember)
    return _rabbitmq(raw[0]) if system == "rabbitmq" else Delivery({})


def _nats(raw: Sequence[Any]) -> Delivery:
    reply = getattr(raw[0], "reply", None)
    if not (isinstance(reply, str) and reply.startswith("$JS.ACK.")):  # core NATS never delivers again
        return Delivery({})
    first, last = raw[0].metadata, raw[-1].metadata
    place: Details = {semconv.MESSAGING_CONSUMER_GROUP_NAME: first.consumer}
    # Of a batch the first: the broker delivers again what comes first.
    deliveries = max(each.metadata.num_delivered for each in raw)
    return Delivery(
        dict(place),
        deliveries,
        age_seconds=_age(first.timestamp.timestamp()),
        behind=last.num_pending,
        place=place,
    )


def _rabbitmq(raw: Any) -> Delivery:
    details: Details = {}
    if isinstance(raw.routing_key, str):
        details[semconv.MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY] = raw.routing_key
    if isinstance(raw.delivery_tag, int):
        details[semconv.MESSAGING_RABBITMQ_MESSAGE_DELIVERY_TAG] = raw.delivery_tag
    # Quorum queues count the deliveries that failed.
    failed = raw.headers.get("x-delivery-count")
    counted = isinstance(failed, int) and failed > 0
    deliveries = cast("int", failed) + 1 if counted else 2 if raw.redelivered else 1
    sent = raw.timestamp
    return Delivery(details, deliveries, counted, None if sent is None else _age(sent.timestamp()))


class _Record(NamedTuple):
    """A Kafka message, read by either client."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: Any

    @classmethod
    def of(cls, message: object) -> "_Record":
        raw = cast("Any", message)
        if type(raw).__module__.startswith("confluent_kafka"):
            return cls(raw.topic(), raw.partition(), raw.offset(), raw.timestamp()[1], raw.key())
        return cls(raw.topic, raw.partition, raw.offset, raw.timestamp, raw.key)


def _kafka(raw: Sequence[Any], group: str, consumer: Any, remember: Remember) -> Delivery:
    records = [_Record.of(each) for each in raw]
    first, last = records[0], records[-1]
    deliveries = max(remember((each.topic, each.partition, group, each.offset)) for each in records)
    partition: Details = {semconv.MESSAGING_DESTINATION_PARTITION_ID: str(first.partition)}
    place: Details = {**partition, semconv.MESSAGING_CONSUMER_GROUP_NAME: group} if group else partition
    details = dict(place)
    if len(records) == 1:
        details[semconv.MESSAGING_KAFKA_OFFSET] = first.offset
        if isinstance(first.key, bytes):
            details[semconv.MESSAGING_KAFKA_MESSAGE_KEY] = first.key.decode("utf-8", "replace")
    end = _end_offset(consumer, last)
    return Delivery(
        details,
        deliveries,
        age_seconds=_age(min(each.timestamp_ms for each in records) / 1000),
        behind=None if end is None else max(0, end - last.offset - 1),
        place={**place, semconv.MESSAGING_DESTINATION_PARTITION_ID: str(last.partition)},
    )


def _end_offset(consumer: Any, record: _Record) -> int | None:
    """Return the offset that the partition's next message gets, as the client heard with its last fetch."""
    with suppress(Exception):  # another consumer's partition after a rebalance
        if hasattr(consumer, "highwater"):
            from aiokafka import TopicPartition  # noqa: PLC0415 # pyright: ignore[reportMissingTypeStubs] it has none

            return consumer.highwater(TopicPartition(record.topic, record.partition))
        from confluent_kafka import TopicPartition as ConfluentPartition  # noqa: PLC0415 - likewise

        position = ConfluentPartition(record.topic, record.partition)
        _, end = consumer.consumer.get_watermark_offsets(position, cached=True)
        return end if end >= 0 else None
    return None


def _age(published_unix_seconds: float) -> float:
    return max(0.0, time() - published_unix_seconds)


def _each(raw: Any) -> Sequence[Any]:
    return cast("Sequence[Any]", raw) if isinstance(raw, (list, tuple)) else (raw,)
