"""Row 24: load balancing on the client's side, told by the calls' own metrics."""

import random
from collections import Counter

import grpc.aio
import pytest
from replicas import METHOD, replica
from shop.gateway.channel_pool import ChannelPool
from shop.gateway.services import _CHANNEL_OPTIONS
from shop.reliability.discovery import Listed, Replica

from instrumentation.integrations import grpc as grpc_integration


@pytest.fixture
def observed(pattern_kit):
    """The recording kit, with gRPC observed."""
    undo = grpc_integration.install(pattern_kit.signals)
    yield pattern_kit
    undo()


@pytest.fixture
async def two():
    """The addresses of two replicas."""
    async with replica(None) as first, replica(None) as second:
        yield first.address, second.address


def split(kit):
    """Count the client's calls by replica, from the RPC metric."""
    found = Counter()
    for family in kit.signals.metrics.snapshot():
        if family.name == "rpc.client.call.duration":
            for point in family.points:
                attributes = dict(point.attributes)
                found[f"{attributes['server.address']}:{attributes['server.port']}"] += sum(point.counts)
    return found


async def ready(channel, addresses):
    """Call until all replicas have answered, so that all are connected."""
    seen = set()
    while len(seen) < len(addresses):
        seen.add((await channel.unary_unary(METHOD)(b"", wait_for_ready=True)).decode())


@pytest.mark.parametrize(("balancing", "calls", "margin"), [("round_robin", 100, 1), ("random", 1000, 80)])
async def test_calls_are_shared_out(two, observed, series_of, balancing, calls, margin):
    """In turn, 100 calls are 50 each, give or take one; by chance, 1000 are 500 each, give or take 80."""
    pool = ChannelPool("stock", Listed({"stock": tuple(map(Replica, two))}), balancing, random=random.Random(7))
    async with pool:
        await ready(pool, two)
        before, picked = split(observed), series_of(observed)
        for _ in range(calls):
            await pool.unary_unary(METHOD)(b"")
    shares = split(observed) - before
    assert sum(shares.values()) == calls
    assert set(shares) == set(two)
    assert all(abs(share - calls / 2) <= margin for share in shares.values()), shares
    after = series_of(observed)
    key = {address: ("clew.target.picked", *sorted((address, "stock"))) for address in two}
    assert {address: after[key[address]] - picked[key[address]] for address in two} == dict(shares)


async def test_grpc_s_own_round_robin_shares_a_list_out(two):
    """Without a registry gRPC balances over the list of replicas: 100 calls are 50 each, give or take one."""
    async with grpc.aio.insecure_channel(f"ipv4:{','.join(two)}", _CHANNEL_OPTIONS) as channel:
        await ready(channel, two)
        answers = Counter([(await channel.unary_unary(METHOD)(b"")).decode() for _ in range(100)])
    assert set(answers) == set(two)
    assert all(abs(count - 50) <= 1 for count in answers.values()), answers


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_in_the_running_shop_both_replicas_of_inventory_serve_alike(gateway, metric_points, eventually, exported):
    """By the instance on the server's own metric, checks of availability are shared out evenly."""
    body = {"customer_id": "ann", "items": [{"sku": "horn", "quantity": 1}]}

    def served():
        newest = {}
        for point in metric_points("rpc.server.call.duration"):
            if point["attributes"].get("rpc.method", "").endswith("CheckAvailability"):
                newest.setdefault(point["resource"]["service_instance_id"], point["count"])
        return newest

    exported()
    before = served()
    for _ in range(40):
        assert gateway.post("/orders", json=body).status_code == 202
    exported()
    now = eventually(lambda: (found := served()) and sum(found.values()) - sum(before.values()) >= 40 and found)
    shares = [count - before.get(instance, 0) for instance, count in now.items()]
    assert (
        sorted(share for share in shares if share) == sorted([20, 20]) or max(shares) - min(filter(None, shares)) <= 2
    )
