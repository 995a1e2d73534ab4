"""The brokers of overlays/scale-out, run: they become one cluster, and it has each message as often as the URL says."""

import asyncio
from contextlib import ExitStack

import broker_servers
import pytest
from free_ports import find_free_ports
from shop.reliability.outbox import StoredMessage
from shop.reliability.stream import Stream

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(300)]


@pytest.fixture
def cluster(build, tmp_path):
    """Three brokers with the overlay's settings, on this machine; give the overlay's BROKER_URL for them."""
    try:
        java = [
            "java",
            "-Xmx400m",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp",
            f"{broker_servers._kafka_jars()}/*",
        ]
    except broker_servers.BrokerMissingError as error:
        pytest.skip(str(error))
    built = build("overlays/scale-out")
    (pod,) = [pod for pod in built.pods if pod.name == "kafka"]
    (volume,) = [volume for volume in pod.spec["volumes"] if "configMap" in volume]
    text = built.named("ConfigMap", volume["configMap"]["name"])["data"]["kafka.properties"]
    ports = find_free_ports(6)
    with ExitStack() as stack:
        running = []
        for number in range(3):
            home = tmp_path / str(number)
            home.mkdir()
            (home / "kafka.properties").write_text(on_loopback(text, number, ports, home))
            cluster_id = built.variables(pod)["CLUSTER_ID"]
            run(java, home, "kafka.tools.StorageTool", "format", "--cluster-id", cluster_id, "--config")
            command = [*java, "kafka.Kafka", home / "kafka.properties"]
            running.append((stack.enter_context(broker_servers._running(command, home)), home, ports[number]))
        for process, home, port in running:  # all at once: one alone is no quorum
            broker_servers._wait(process, home, lambda port=port: broker_servers._accepts(port))
        orders = next(each for each in built.pods if each.name == "orders")
        url = built.variables(orders)["BROKER_URL"]
        yield url.replace("kafka:9092", ",".join(f"127.0.0.1:{port}" for port in ports[:3]))


def run(java, home, *command):
    """Run one of Kafka's tools with a broker's settings."""
    with broker_servers._running([*java, *command, home / "kafka.properties"], home, "tool.log") as process:
        assert process.wait(60) == 0, (home / "tool.log").read_text()


def on_loopback(text, number, ports, home):
    """Return the settings of one broker as its pod completes them, with addresses of this machine for those of pods."""
    for other in range(3):
        text = text.replace(f"kafka-{other}.kafka:9093", f"127.0.0.1:{ports[3 + other]}")
    text = text.replace("BROKER://:9092", f"BROKER://127.0.0.1:{ports[number]}")
    text = text.replace("CONTROLLER://:9093", f"CONTROLLER://127.0.0.1:{ports[3 + number]}")
    text = text.replace("log.dirs=/data/log", f"log.dirs={home / 'log'}")
    return f"{text}node.id={number}\nadvertised.listeners=BROKER://127.0.0.1:{ports[number]}\n"


async def test_a_message_is_on_every_broker(cluster):
    """What is published arrives, and its topic has the partitions and copies that the URL asks for."""
    stream, arrived = Stream(cluster, "orders"), asyncio.Event()

    @stream.subscriber("orders.created")
    async def created(event: dict[str, str]) -> None:
        assert event == {"order": "1"}
        arrived.set()

    async with asyncio.timeout(120), stream:
        await stream.publish(StoredMessage(1, "m-1", "orders.created", "1", '{"order": "1"}', {}, 0))
        await arrived.wait()
        admin, _ = await stream.wire._connected()
        (topic,) = await admin.describe_topics(["orders.created"])
    partitions = topic["partitions"]
    assert len(partitions) == 48
    assert {len(partition["replicas"]) for partition in partitions} == {3}
    assert {partition["leader"] for partition in partitions} == {0, 1, 2}
