"""The weights on the gateway's admin door, on real replicas of two versions behind a real channel pool."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import grpc.aio
import httpx
import pytest
from replicas import METHOD, replica
from shop.gateway.channel_pool import ChannelPool, NoReplicaError
from shop.gateway.services import _read
from shop.gateway.verdicts import Verdicts
from shop.gateway.weights import Weights
from shop.reliability.admin import Admin, door
from shop.reliability.discovery import Listed, Replica

TOKEN = "correct-horse-battery"


@pytest.fixture
async def versions():
    """Replicas of 1.0 and 1.1."""
    async with replica(None) as first, replica(None) as second:
        yield Replica(first.address, "1.0"), Replica(second.address, "1.1")


@asynccontextmanager
async def administered(versions, port, weights=None):
    """A pool of these replicas, and a client of the door that weighs them."""
    pool = ChannelPool("stock", Listed({"stock": versions}), weights=weights or {})
    board = Weights(SimpleNamespace(pools={"stock": pool}))
    async with pool, board, door(Admin(port, TOKEN), {"weights": board}):
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
            yield pool, client


async def answered(pool, calls=100):
    """Tell by whom calls were answered, once both replicas can be reached."""
    async with asyncio.timeout(20):
        while True:
            found = [(await pool.unary_unary(METHOD)(b"")).decode() for _ in range(calls)]
            if len(set(found)) == len([weight for weight in pool.weights.values() if weight]):
                return found


async def test_weights_are_changed_live_and_zero_takes_all_calls_away(versions, free_port, pattern_kit, series_of):
    """From one request to the next calls are shared out anew; the metrics tell weights and calls by version."""
    stable, canary = versions
    async with administered(versions, free_port(), {"1.0": 100, "1.1": 0}) as (pool, client):
        assert set(await answered(pool)) == {stable.address}
        changed = await client.put("/weights/stock", json={"1.0": 90, "1.1": 10})
        assert changed.json() == {"stock": {"weights": {"1.0": 90, "1.1": 10}, "replicas": {"1.0": 1, "1.1": 1}}}
        await answered(pool)
        assert (await answered(pool)).count(canary.address) == 10
        await client.put("/weights/stock", json={"1.0": 100, "1.1": 0})
        assert set(await answered(pool)) == {stable.address}
        assert (await client.get("/weights")).json()["stock"]["weights"] == {"1.0": 100, "1.1": 0}
    found = series_of(pattern_kit)
    assert (found["clew.target.weight", "1.0", "stock"], found["clew.target.weight", "1.1", "stock"]) == (1, 0)
    picked = {address: found["clew.target.picked", *sorted((address, "stock"))] for address, _ in map(_pair, versions)}
    assert found["clew.target.call.duration", "1.0", "stock"] == picked[stable.address]
    assert found["clew.target.call.duration", "1.1", "stock"] == picked[canary.address]


def _pair(each):
    return each.address, each.version


async def test_without_weights_all_replicas_are_alike_again(versions, free_port):
    """`DELETE` takes the weights away."""
    async with administered(versions, free_port(), {"1.0": 100, "1.1": 0}) as (pool, client):
        assert (await client.delete("/weights/stock")).json()["stock"]["weights"] == {}
        async with asyncio.timeout(20):
            while {(await pool.unary_unary(METHOD)(b"")).decode() for _ in range(10)} != {r.address for r in versions}:
                pass


async def test_a_version_that_died_gets_no_call_while_another_has_a_weight(free_port):
    """A canary that is gone fails nobody's call; one that is taken out does not come back for want of others."""
    async with replica(None) as stable, replica(None) as dying:
        versions = Replica(stable.address, "1.0"), Replica(dying.address, "1.1")
        async with administered(versions, free_port(), {"1.0": 50, "1.1": 50}) as (pool, client):
            await answered(pool)
            await dying.die()
            async with asyncio.timeout(20):
                channel = pool._channels[versions[1]]
                await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
            assert {(await pool.unary_unary(METHOD)(b"")).decode() for _ in range(20)} == {stable.address}
            await client.put("/weights/stock", json={"1.0": 0, "1.1": 100})
            with pytest.raises(grpc.aio.AioRpcError):
                await pool.unary_unary(METHOD)(b"")
    async with ChannelPool("stock", Listed({"stock": (versions[0],)}), weights={"1.0": 0, "1.1": 1}) as pool:
        with pytest.raises(NoReplicaError):
            await pool.unary_unary(METHOD)(b"")


async def test_a_stream_ends_like_any_other_when_its_version_gets_no_call_any_more():
    """Whoever follows a stream begins anew, on a version that gets calls; a cancelled reader is still cancelled."""

    async def ticks(_request, _context):
        yield b"tick"
        await asyncio.Event().wait()

    server = grpc.aio.server()
    handlers = {"Ticks": grpc.unary_stream_rpc_method_handler(ticks)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.Clock", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    replicas = Replica(f"127.0.0.1:{port}", "1.1"), Replica("127.0.0.1:1", "1.0")
    async with ChannelPool("clock", Listed({"clock": replicas}), weights={"1.0": 0, "1.1": 1}) as pool:
        call = pool.unary_stream("/t.Clock/Ticks")(b"", wait_for_ready=True)
        assert await _read(call) == b"tick"
        reading = asyncio.create_task(_read(call))
        await asyncio.sleep(0)
        pool.weigh({"1.0": 1, "1.1": 0})
        assert await reading is grpc.aio.EOF
        pool.weigh({"1.0": 0, "1.1": 1})
        call = pool.unary_stream("/t.Clock/Ticks")(b"")
        assert await _read(call) == b"tick"
        reading = asyncio.create_task(_read(call))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    await server.stop(None)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[]", "a JSON object"),
        ("{}", "weights by version"),
        ('{"1.0": "much"}', "weights by version"),
        ('{"1.0": -1, "1.1": 2}', "0 or more"),
        ('{"1.0": 0, "1.1": 0}', "above 0"),
        ('{"1.0": 50, "2.0": 50}', "no replica of version 2.0 is known; known are: 1.0, 1.1"),
    ],
)
async def test_weights_that_make_no_sense_are_refused_and_change_nothing(versions, free_port, body, said):
    """422 with the reason; calls go on as before."""
    async with administered(versions, free_port(), {"1.0": 100, "1.1": 0}) as (pool, client):
        answer = await client.put("/weights/stock", content=body)
        assert (answer.status_code, said in answer.json()["error"]) == (422, True), answer.text
        assert pool.weights == {"1.0": 100, "1.1": 0}


async def test_whoever_has_no_token_is_turned_away(versions, free_port):
    """Without the token, or with a wrong one, nothing is told and nothing changes; unknown services are named."""
    async with administered(versions, free_port()) as (pool, client):
        for wrong in ("", "Bearer", "Bearer wrong", f"Basic {TOKEN}"):
            answer = await client.put("/weights/stock", json={"1.0": 1}, headers={"Authorization": wrong})
            assert (answer.status_code, "weights" in answer.text) == (401, False)
        assert pool.weights == {}
        unknown = await client.put("/weights/books", json={"1.0": 1})
        assert (unknown.status_code, unknown.json()["error"]) == (404, "/weights has no 'books'")


async def test_verdicts_are_kept_and_counted_and_what_is_none_is_refused(free_port, pattern_kit, series_of):
    """The last verdict on each service can be read; a word that is no verdict, or no service, is refused."""
    board = Verdicts(["stock"])
    verdict = {"version": "1.1", "verdict": "rollback", "reason": "failures"}
    settings = Admin(free_port(), TOKEN)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        door(settings, {"verdicts": board}),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.port}", headers=headers) as client,
    ):
        assert (await client.put("/verdicts/stock", json=verdict)).json() == {"stock": verdict}
        for wrong in ({**verdict, "verdict": "maybe"}, {**verdict, "reason": "Because!"}, {"version": "1.1"}):
            assert (await client.put("/verdicts/stock", json=wrong)).status_code == 422
        assert (await client.put("/verdicts/books", json=verdict)).status_code == 404
        assert (await client.delete("/verdicts/stock")).json() == {}
    assert series_of(pattern_kit)["clew.canary.verdicts", "1.1", "failures", "rollback", "stock"] == 1


async def test_a_refusal_is_no_failure_of_the_version_and_health_is_no_call(pattern_kit, series_of):
    """NOT_FOUND is the caller's mistake; an exception is the version's; questions about health count for nothing."""

    async def answer(request, context):
        if request == b"?":
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")
        raise RuntimeError("a mistake")

    server = grpc.aio.server()
    for service in ("t.Shelf", "grpc.health.v1.Health"):
        handlers = {"Get": grpc.unary_unary_rpc_method_handler(answer)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with ChannelPool("shelf", Listed({"shelf": (Replica(f"127.0.0.1:{port}", "1.1"),)})) as pool:
        for method, request in (("/t.Shelf/Get", b"?"), ("/t.Shelf/Get", b"!"), ("/grpc.health.v1.Health/Get", b"!")):
            with pytest.raises(grpc.aio.AioRpcError):
                await pool.unary_unary(method)(request)
    await server.stop(None)
    found = {key: value for key, value in series_of(pattern_kit).items() if key[0] == "clew.target.call.duration"}
    assert found == {
        ("clew.target.call.duration", "1.1", "shelf"): 1,
        ("clew.target.call.duration", "1.1", "UNKNOWN", "shelf"): 1,
    }
