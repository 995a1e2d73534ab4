"""One way to use each real broker, so that what is said of messages is said of all of them."""

import asyncio
import logging
import secrets
from types import SimpleNamespace

import broker_servers
import pytest
from faststream import AckPolicy
from faststream.confluent import KafkaBroker as ConfluentBroker
from faststream.confluent.response import KafkaPublishMessage as ConfluentMessage
from faststream.kafka import KafkaBroker
from faststream.kafka.response import KafkaPublishMessage
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.rabbit import QueueType, RabbitBroker, RabbitQueue
from opentelemetry import metrics
from shop.reliability.stream import Stream

from instrumentation.integrations import faststream as integration
from instrumentation.signals.meter import StoreMeterProvider

LOG = logging.getLogger("faststream")
slow = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory):
    """A NATS server with JetStream of its own."""
    with broker_servers.nats_server(tmp_path_factory.mktemp("nats")) as url:
        yield url


@pytest.fixture(scope="session")
def rabbitmq_url(tmp_path_factory):
    """A RabbitMQ server of its own."""
    with broker_servers.rabbitmq_server(tmp_path_factory.mktemp("rabbitmq")) as url:
        yield url


@pytest.fixture(scope="session")
def kafka_url(tmp_path_factory):
    """A Kafka broker of its own."""
    with broker_servers.kafka_server(tmp_path_factory.mktemp("kafka")) as url:
        yield url


@pytest.fixture
def installed(kit):
    """FastStream, observed by the recording kit."""
    undo = integration.install(kit.signals)
    yield
    undo()


class Nats:
    """JetStream: a stream of one test's own, durable pull consumers."""

    system = "nats"

    def __init__(self, url):
        self.place = f"t{secrets.token_hex(4)}"
        self.broker = NatsBroker(url, logger=LOG)
        self.stream = JStream(self.place, subjects=[f"{self.place}.>"])

    def group(self, name):
        return f"{self.place}-{name}"

    def address(self, name):
        return f"{self.place}.{name}"

    async def declare(self, *_names):
        client = await self.broker.connect()
        await client.jetstream().add_stream(name=self.place, subjects=[f"{self.place}.>"])

    def subscriber(self, name, *, batch=0):
        pull = PullSub(batch_size=batch or 1, batch=bool(batch), timeout=0.5)
        options = {"stream": self.stream, "durable": self.group(name), "ack_policy": AckPolicy.NACK_ON_ERROR}
        return self.broker.subscriber(self.address(name), pull_sub=pull, **options)

    async def publish(self, name, *bodies, **options):
        for body in bodies:
            await self.broker.publish(body, self.address(name), stream=self.place, **options)


class Rabbit:
    """RabbitMQ: durable queues behind the default exchange; quorum queues, which count deliveries."""

    system = "rabbitmq"

    def __init__(self, url):
        self.place = f"t{secrets.token_hex(4)}"
        self.broker = RabbitBroker(url, logger=LOG)

    def address(self, name):
        return f"{self.place}.{name}"

    def group(self, _name):
        return ""

    def queue(self, name):
        return RabbitQueue(self.address(name), durable=True, queue_type=QueueType.QUORUM)

    async def declare(self, *names):
        await self.broker.connect()
        for name in names:
            await self.broker.declare_queue(self.queue(name))

    def subscriber(self, name):
        return self.broker.subscriber(self.queue(name), ack_policy=AckPolicy.NACK_ON_ERROR)

    async def publish(self, name, *bodies, **options):
        for body in bodies:
            await self.broker.publish(body, self.queue(name), **options)


class Kafka:
    """Kafka by aiokafka: a topic of one partition, one consumer group."""

    system = "kafka"
    broker_class, message_class = KafkaBroker, KafkaPublishMessage

    def __init__(self, url):
        self.place = f"t{secrets.token_hex(4)}"
        self.broker = self.broker_class(url, logger=LOG)

    def group(self, _name):
        return f"{self.place}-readers"

    def address(self, name):
        return f"{self.place}.{name}"

    async def declare(self, *names):
        from confluent_kafka.admin import AdminClient, NewTopic

        await self.broker.connect()
        servers = self.broker.specification.url
        admin = AdminClient({"bootstrap.servers": ",".join(servers)})
        topics = [NewTopic(self.address(name), 1, 1) for name in names]
        await asyncio.gather(*map(asyncio.wrap_future, admin.create_topics(topics).values()))

    def subscriber(self, name, *, batch=0):
        options = {"group_id": self.group(name), "auto_offset_reset": "earliest", "ack_policy": AckPolicy.NACK_ON_ERROR}
        if batch:
            options |= {"batch": True, "max_records": batch}
        return self.broker.subscriber(self.address(name), **options)

    async def publish(self, name, *bodies, **options):
        for body in bodies:
            await self.broker.publish(body, self.address(name), key=b"k", **options)


class Confluent(Kafka):
    """Kafka by confluent-kafka."""

    broker_class, message_class = ConfluentBroker, ConfluentMessage


WIRES = {"nats": Nats, "rabbitmq": Rabbit, "kafka": Kafka, "confluent": Confluent}
NEEDS = {"nats": "nats_url", "rabbitmq": "rabbitmq_url", "kafka": "kafka_url", "confluent": "kafka_url"}
STREAMS = ("nats", "rabbitmq", "kafka")


def each(*names):
    """Return a parameter per broker; those that do not come with the tests' own wheels are slow."""
    return [pytest.param(name, marks=() if name == "nats" else slow) for name in names]


def pytest_generate_tests(metafunc):
    """Run a test that takes `wire` on all brokers, one that takes `batch_wire` on those that have batches."""
    if "batch_wire" in metafunc.fixturenames:
        metafunc.parametrize("broker_name", each("nats", "kafka", "confluent"), indirect=True)
    elif "open_stream" in metafunc.fixturenames:
        metafunc.parametrize("broker_name", each(*STREAMS), indirect=True)
    elif "wire" in metafunc.fixturenames:
        metafunc.parametrize("broker_name", each(*WIRES), indirect=True)


@pytest.fixture
def broker_name(request):
    """Name of the broker under test."""
    return request.param


@pytest.fixture
async def wire(broker_name, installed, request):
    """A broker under test with a place of this test's own, observed."""
    using = WIRES[broker_name](request.getfixturevalue(NEEDS[broker_name]))
    yield using
    await using.broker.stop()


@pytest.fixture
def batch_wire(wire):
    """A broker that delivers batches."""
    return wire


@pytest.fixture
async def eventually():
    """Return a coroutine function that waits until a condition holds."""

    async def wait(condition, seconds=20):
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 what ends a span elsewhere sets no event
                await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def series():
    """Return the series of a metric as (attributes, count or value)."""

    def of(kit, name):
        points = [point for family in kit.signals.metrics.snapshot() if family.name == name for point in family.points]
        return [
            (dict(point.attributes), sum(point.counts) if hasattr(point, "counts") else point.value) for point in points
        ]

    return of


@pytest.fixture
async def open_stream(broker_name, installed, request, kit, monkeypatch):
    """Make streams of the shop on a broker under test, observed; each service's name is this test's own."""
    store = SimpleNamespace(store=kit.signals.metrics)
    monkeypatch.setattr(metrics, "get_meter", StoreMeterProvider(store).get_meter)
    url = request.getfixturevalue(NEEDS[broker_name])
    place, opened = secrets.token_hex(4), []

    def make(service, **options):
        stream = Stream(f"kafka://{url}" if broker_name == "kafka" else url, f"{service}-{place}", **options)
        opened.append(stream)
        return stream

    make.place = place
    yield make
    for stream in opened:
        await stream.__aexit__()
