"""Row 23: discovery, on a real etcd; on Consul where CONSUL_BINARY names one, else on its recorded contract."""

import asyncio
import json
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import broker_servers
import pytest
from replicas import METHOD, replica
from shop.gateway.channel_pool import ChannelPool
from shop.gateway.dependency import Dependency
from shop.reliability import discovery as of
from shop.reliability.consul import Consul
from shop.reliability.discovery import Replica, discovery, registered

CONTRACT = Path(__file__).with_name("consul_contract.json")
FIRST, SECOND, THIRD = (Replica(f"127.0.0.1:{port}", version) for port, version in ((1, "1.0"), (2, "1.1"), (3, "")))
STARTS = {"etcd": broker_servers.etcd_registry, "consul": broker_servers.consul_registry}


@pytest.fixture(scope="module", params=["etcd", "consul"])
def registry_url(request, tmp_path_factory):
    """A registry of its own kind."""
    try:
        registry = STARTS[request.param](tmp_path_factory.mktemp(request.param))
    except broker_servers.BrokerMissingError as error:
        pytest.skip(str(error))
    with registry:
        yield registry.url


async def until(updates, wanted):
    """Read what discovery tells until it is what is wanted."""
    async with asyncio.timeout(30):
        async for found in updates:
            if found == wanted:
                return


async def test_replicas_are_known_while_they_live_and_leave_at_their_end(registry_url):
    """Two replicas register with their versions, a third comes and goes: whoever watches is told each time."""
    registry = discovery(registry_url)
    async with aclosing(registry.watch("stock")) as updates:
        async with registry.registered("stock", FIRST), registry.registered("stock", SECOND):
            await until(updates, {FIRST, SECOND})
            async with registry.registered("stock", THIRD), registry.registered("other", Replica("127.0.0.1:4")):
                await until(updates, {FIRST, SECOND, THIRD})
            await until(updates, {FIRST, SECOND})
        await until(updates, set())


@pytest.mark.slow
async def test_a_service_registers_under_the_version_that_its_signals_carry(registry_url, monkeypatch):
    """Whoever shares calls out by version tells them apart by the number that is on their spans."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.version=1.1,deployment.role=canary")
    async with (
        registered(registry_url, "stock", SECOND.address),
        aclosing(discovery(registry_url).watch("stock")) as updates,
    ):
        await until(updates, {SECOND})


@pytest.mark.slow
async def test_a_replica_that_died_leaves_within_its_lease_and_no_call_fails(
    registry_url, monkeypatch, pattern_kit, series_of
):
    """Killed under load, it is out of discovery and of the balancing within the lease; each call is answered."""
    monkeypatch.setattr(of, "LEASE_SECONDS", 2.0)
    for module in ("etcd", "consul"):
        monkeypatch.setattr(f"shop.reliability.{module}.LEASE_SECONDS", 2.0)
    registry = discovery(registry_url)
    async with replica(registry) as first, ChannelPool("stock", registry) as pool:
        dying = replica(registry)
        second = await dying.__aenter__()
        await _until(lambda: pool.addresses == {first.address, second.address})
        dependency, method = Dependency("stock", 5.0), pool.unary_unary(METHOD)
        answered = {(await dependency.call(method, b"")).decode() for _ in range(40)}
        assert answered == {first.address, second.address}
        lease = _keeper()
        lease.cancel()  # as a process that is killed: nothing renews its lease, nothing takes it back
        await second.die()
        start = asyncio.get_running_loop().time()
        while pool.addresses != {first.address}:
            assert (await dependency.call(method, b"")).decode() == first.address
            await asyncio.sleep(0.01)
            assert asyncio.get_running_loop().time() - start < 10
        await dying.__aexit__(None, None, None)
    found = series_of(pattern_kit)
    assert found["clew.target.known", "stock"] == 1
    assert found["clew.retry.calls", "stock", "succeeded"] == sum(
        value for (name, *_), value in found.items() if name == "clew.retry.calls"
    )


async def _until(holds):
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - the pool tells nobody
            await asyncio.sleep(0.01)


def _keeper():
    """Return the task that renews the lease made last."""
    keepers = [task for task in asyncio.all_tasks() if "kept_up.<locals>.keep" in repr(task.get_coro())]
    return max(keepers, key=lambda task: int(task.get_name().rpartition("-")[2]))


async def test_a_list_and_names_are_discovery_too():
    """`static://` tells what it lists; `dns://` what the names resolve to; both with versions where they have them."""
    listed = discovery("static://stock=127.0.0.1:1@1.0,127.0.0.1:2@1.1,127.0.0.1:3;other=127.0.0.1:4")
    assert await anext(listed.watch("stock")) == {FIRST, SECOND, THIRD}
    assert await anext(listed.watch("none")) == set()
    named = await anext(discovery("dns://stock=localhost:3,localhost:1@1.0").watch("stock"))
    assert named >= {FIRST, THIRD}


def test_another_scheme_is_refused_by_name():
    """What is not supported is said at the start, with what is."""
    with pytest.raises(ValueError, match=r"DISCOVERY_URL='zk://a:1': supported are static://"):
        discovery("zk://a:1")


async def _body(reader):
    length = 0
    while (header := await reader.readline()) != b"\r\n":
        name, _, value = header.decode().partition(":")
        length = int(value) if name.lower() == "content-length" else length
    return json.loads(await reader.readexactly(length)) if length else None


@asynccontextmanager
async def recorded_agent(contract):
    """Answer as the contract has it, in its order; give the port, and at the end hold that all was asked."""
    left = list(contract)

    async def serve(reader, writer):
        try:
            while line := await reader.readline():
                method, target, _ = line.decode().split()
                body = await _body(reader)
                step = next((each for each in left if (each["method"], each["target"]) == (method, target)), None)
                if step is None:  # a question about changes, of which there are no more
                    await reader.read()
                    return
                left.remove(step)
                assert step.get("body") == body
                payload = json.dumps(step["answer"]).encode() if "answer" in step else b""
                head = "".join(f"{name}: {value}\r\n" for name, value in step.get("headers", {}).items())
                head += f"Content-Length: {len(payload)}\r\n\r\n"
                writer.write(b"HTTP/1.1 200 OK\r\n" + head.encode() + payload)
                await writer.drain()
        finally:
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], left


async def test_consul_is_asked_what_its_contract_says():
    """Registering with a check that must pass in time, watching by index and leaving are as Consul 1.14 answered."""
    async with recorded_agent(json.loads(CONTRACT.read_text())) as (port, left):
        consul = Consul(f"http://127.0.0.1:{port}")
        async with consul.registered("stock", Replica("127.0.0.1:5", "1.0")):
            updates = consul.watch("stock")
            assert await anext(updates) == {Replica("127.0.0.1:5", "1.0")}
            assert await anext(updates) == {Replica("127.0.0.1:5", "1.0"), Replica("127.0.0.1:6")}
            await updates.aclose()
            await _until(lambda: not [step for step in left if "check/pass" in step["target"]])
        assert left == []
