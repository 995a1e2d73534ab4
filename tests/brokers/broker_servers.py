"""Real brokers and registries for tests: each on free loopback ports, with a directory of its own, ended by its pid.

NATS comes as a wheel. RabbitMQ is Debian's package, installed by apt-get where the tests run as root on Debian. Kafka
is its jars from Maven Central, kept in the cache directory.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from free_ports import find_free_ports

START_SECONDS = 90
KAFKA_VERSION = "4.1.0"
RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA_VERSION}</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies></project>
"""
_KAFKA_PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""


class BrokerMissingError(Exception):
    """A broker's program cannot be had here; the message says how to get it."""


class Broker:
    """A broker that can be stopped and started again where it was, with what it had stored.

    Attributes:
        url: Where it is.
    """

    def __init__(self, url, start):
        self.url = url
        self._start = start
        self._running = None

    def start(self):
        """Start it and wait until it serves."""
        running = self._start()
        running.__enter__()
        self._running = running

    def stop(self):
        """End it; nothing if it has ended."""
        running, self._running = self._running, None
        if running is not None:
            running.__exit__(None, None, None)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_exc):
        self.stop()


def nats_broker(directory):
    """Return a NATS server with JetStream."""
    program = Path(sys.executable).with_name("nats-server")
    (port,) = find_free_ports(1)
    command = [program, "-a", "127.0.0.1", "-p", port, "-js", "-sd", directory / "store"]
    return Broker(f"nats://127.0.0.1:{port}", lambda: _served(command, directory, lambda: _accepts(port)))


def rabbitmq_broker(directory):
    """Return a RabbitMQ server."""
    _install("rabbitmq-server", RABBITMQ)
    port, distribution, mapper = find_free_ports(3)
    environment = {
        "HOME": str(directory),
        "RABBITMQ_NODENAME": f"clew{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-start_epmd false +S 2:2 -kernel inet_dist_use_interface {127,0,0,1}",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(mapper),
    }
    (directory / "plugins").write_text("[].\n")
    # Erlang's port mapper would else be left behind as a daemon.
    names = ["epmd", "-address", "127.0.0.1", "-port", str(mapper)]

    @contextmanager
    def start():
        served = _served([RABBITMQ], directory, lambda: _log_has(directory, "completed with"), **environment)
        with _running(names, directory, "epmd.log"), served:
            yield

    return Broker(f"amqp://guest:guest@127.0.0.1:{port}/", start)


def kafka_broker(directory):
    """Return a Kafka broker in KRaft mode."""
    java = ["java", "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{_kafka_jars()}/*"]
    port, controller = find_free_ports(2)
    properties = directory / "server.properties"
    properties.write_text(_KAFKA_PROPERTIES.format(port=port, controller=controller, data=directory / "data"))
    format_command = [*java, "kafka.tools.StorageTool", "format", "-t", "Y2xldy1icm9rZXItdGVzdA", "-c", properties]
    subprocess.run(format_command, check=True, capture_output=True, timeout=START_SECONDS)
    command = [*java, "kafka.Kafka", properties]
    return Broker(f"kafka://127.0.0.1:{port}", lambda: _served(command, directory, lambda: _accepts(port)))


def etcd_registry(directory):
    """Return an etcd server, the registry of replicas."""
    _install("etcd-server", Path("/usr/bin/etcd"))
    port, peers = find_free_ports(2)
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peers}"
    command = ["/usr/bin/etcd", "--data-dir", directory / "etcd", "--listen-client-urls", client]
    command += ["--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
    command += ["--initial-cluster", f"default={peer}", "--unsafe-no-fsync"]
    return Broker(f"etcd://127.0.0.1:{port}", lambda: _served(command, directory, lambda: _accepts(port)))


def consul_registry(directory):
    """Return a Consul agent, which `CONSUL_BINARY` names."""
    program = os.environ.get("CONSUL_BINARY")
    if not program:
        raise BrokerMissingError("Consul is missing: no registry has it. Name its program in CONSUL_BINARY")
    http, dns, serf, wan, server, grpc = find_free_ports(6)
    ports = {"http": http, "dns": dns, "serf_lan": serf, "serf_wan": wan, "server": server, "grpc": grpc}
    options = [f"-hcl=ports {{ {name} = {port} }}" for name, port in ports.items()]
    command = [program, "agent", "-dev", "-bind=127.0.0.1", "-client=127.0.0.1", f"-data-dir={directory}", *options]
    return Broker(f"consul://127.0.0.1:{http}", lambda: _served(command, directory, lambda: _accepts(http)))


BROKERS = {"nats": nats_broker, "rabbitmq": rabbitmq_broker, "kafka": kafka_broker}


@contextmanager
def nats_server(directory):
    """Run a NATS server with JetStream and give its URL."""
    with nats_broker(directory) as broker:
        yield broker.url


@contextmanager
def rabbitmq_server(directory):
    """Run a RabbitMQ server and give its URL."""
    with rabbitmq_broker(directory) as broker:
        yield broker.url


@contextmanager
def kafka_server(directory):
    """Run a Kafka broker and give its `host:port`."""
    with kafka_broker(directory) as broker:
        yield broker.url.removeprefix("kafka://")


@contextmanager
def _served(command, directory, serves, **environment):
    """Run a program until the body ends, which begins when it serves."""
    with _running(command, directory, **environment) as process:
        _wait(process, directory, serves)
        yield


def _log_has(directory, words):
    return words in (directory / "broker.log").read_text()


def _install(package, program):
    """Install one of Debian's packages where that is possible, without starting what it brings."""
    if program.exists():
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", package]
        # Without the second variable the package would start a server of its own.
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        subprocess.run(install, env=environment, check=False, capture_output=True, timeout=600)
    if not program.exists():
        raise BrokerMissingError(f"{program.name} is missing. Install it: apt-get install {package}")


def _kafka_jars():
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clew"
    jars = cache / f"kafka-{KAFKA_VERSION}"
    if (jars / f"kafka_2.13-{KAFKA_VERSION}.jar").exists():
        return jars
    missing = [program for program in ("java", "mvn") if not shutil.which(program)]
    if missing:
        packages = "default-jre-headless maven"
        raise BrokerMissingError(f"Kafka needs {' and '.join(missing)}. Install them: apt-get install {packages}")
    partial = jars.with_suffix(".part")
    partial.mkdir(parents=True, exist_ok=True)
    (partial / "pom.xml").write_text(_POM)
    command = [
        "mvn",
        "-q",
        "-B",
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
        f"-DoutputDirectory={partial}",
    ]
    done = subprocess.run(command, cwd=partial, check=False, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise BrokerMissingError(f"Kafka's jars cannot be had from Maven Central:\n{done.stdout[-2000:]}")
    partial.rename(jars)
    return jars


@contextmanager
def _running(command, directory, log_name="broker.log", **environment):
    """Run a program in a process group of its own; end the group."""
    with (directory / log_name).open("wb") as log:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=directory,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process):
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(15)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
    process.wait()


def _wait(process, directory, read):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if value := read():
            return value
        time.sleep(0.05)
    raise RuntimeError(f"{process.args[0]} did not start\n{(directory / 'broker.log').read_text()[-4000:]}")


def _accepts(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
