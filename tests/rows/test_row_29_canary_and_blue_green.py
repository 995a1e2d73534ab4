"""Row 29: canary and blue-green, in the running shop; that the judge is seldom wrong, on a thousand simulated runs."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import shop as shop_package
from buyers import Buyers
from shop.invariants import check
from shop.runner import VERSION, Plan, Shop
from simulated_traffic import Behaviour, Traffic

from instrumentation.canary.rollout import Plan as RolloutPlan
from instrumentation.canary.rollout import Rollout
from stack.reader import Reader

NEXT = "99.0.0"
"""Version of the canary; what it runs is the test's choice."""
RUNS = 1000
MOST_WRONG = 20
SOUND = (
    (Behaviour(), Behaviour()),
    (Behaviour(failures=0), Behaviour(failures=0)),
    (Behaviour(failures=0.005), Behaviour(failures=0.005)),
    (Behaviour(median_seconds=0.05, tail=0.005), Behaviour(median_seconds=0.05, tail=0.005)),
    (Behaviour(), Behaviour(median_seconds=0.013)),
)
"""Stable and canary that are alike, or nearly."""
BROKEN = (
    (Behaviour(), Behaviour(failures=0.5)),
    (Behaviour(), Behaviour(failures=0.05)),
    (Behaviour(), Behaviour(failures=0.02)),
    (Behaviour(failures=0.005), Behaviour(failures=0.03)),
    (Behaviour(), Behaviour(median_seconds=0.03)),
    (Behaviour(), Behaviour(tail=0.2)),
)
"""Stable and a canary that fails, hangs now and then, or is slower altogether."""


def test_of_a_thousand_simulated_rollouts_at_most_two_in_a_hundred_end_wrong():
    """Sound canaries of all kinds are promoted, broken ones are rolled back, at 5, 25, 50 and 100 percent."""
    wrong = []
    for number in range(RUNS):
        is_sound = number % 2 == 0
        cases = SOUND if is_sound else BROKEN
        stable, canary = cases[number // 2 % len(cases)]
        traffic = Traffic(100, stable, canary, random.Random(number))
        plan = RolloutPlan(service="inventory", stable="1", canary="2")
        outcome = Rollout(plan, traffic, traffic, clock=traffic.clock, sleep=traffic.sleep).run()
        assert traffic.weights == ({"1": 0, "2": 100} if outcome.promoted else {"1": 100, "2": 0})
        if outcome.promoted != is_sound:
            wrong.append((number, outcome.reason, outcome.percent))
    assert len(wrong) <= MOST_WRONG, wrong


@pytest.fixture
def running(tmp_path):
    """Run the shop with one more inventory, of another version, which gets no call at first."""
    started = []

    def run(**environment):
        plan = Plan(
            tmp_path / "shop",
            canaries={"inventory": NEXT},
            environment={"OTEL_METRIC_EXPORT_INTERVAL": "1000"},
            service_environment={
                "inventory": {"STOCK_PIECES": "1000000"},
                "payments": {"DECLINE_SHARE": "0"},
                "inventory-canary": environment,
            },
        )
        started.append(Shop(plan))
        return started[0].__enter__()

    yield run
    for shop in started:
        shop.stop()


@pytest.fixture
def broken_build(tmp_path):
    """The shop's code with a mistake in what inventory answers the gateway; its environment."""
    build = tmp_path / "build"
    shutil.copytree(
        Path(shop_package.__file__).parent, build / "shop", ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
    )
    service = build / "shop" / "inventory" / "service.py"
    right = "        found = await self._warehouse.products(request.skus)\n"
    wrong = right + "        import random\n        assert random.random() > 0.5, 'a mistake of this version'\n"
    text = service.read_text()
    assert text.count(right) == 1
    service.write_text(text.replace(right, wrong))
    return {"PYTHONPATH": str(build), "PYTHONSAFEPATH": "1"}


def rollout(shop, *arguments):
    """Run `clew canary` with the gateway's door to its end; see `canary`."""
    return canary(shop, "--gateway", shop.doors["gateway"], *arguments)


def canary(shop, *arguments):
    """Run `clew canary` to its end; return its exit code and what it said, an object a line."""
    command = [sys.executable, "-m", "instrumentation.cli", "canary", "inventory", "--json", "--every", "1"]
    command += ["--stable", VERSION, "--canary", NEXT, "--console", shop.console_url]
    command += ["--objective", "99", "--slower", "3", "--timeout", "120", *arguments]
    environment = {**os.environ, "ADMIN_TOKEN": shop.admin_token}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400, check=False)
    assert not done.stderr, done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def door(shop):
    """A client of the gateway's admin door."""
    headers = {"Authorization": f"Bearer {shop.admin_token}"}
    return httpx.Client(base_url=shop.doors["gateway"], headers=headers, timeout=20)


def weights(shop):
    with door(shop) as client:
        return client.get("/weights").json()["inventory"]["weights"]


def calls(shop, version, **labels):
    """Return how many calls the gateway has made to a version, from its page; of those with an error, if asked."""
    page = httpx.get(f"{shop.gateway_url}/metrics", timeout=20).text
    found = re.findall(r"^clew_target_call_duration_seconds_count\{(.*)\} (\S+)", page, re.MULTILINE)
    wanted = [f'clew_target_version="{version}"', 'clew_target_service="inventory"', *labels.values()]
    return sum(float(value) for series, value in found if all(each in series for each in wanted))


def failed_calls(shop, version):
    return calls(shop, version, failed='error_type="')


def adds_up(shop, eventually):
    try:
        eventually(lambda: not check(shop.database_urls), 60)
    except AssertionError:
        assert check(shop.database_urls) == []


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_bad_canary_goes_back_to_nothing_and_no_request_of_the_stable_version_fails(
    running, broken_build, eventually
):
    """It is found out at 10 %, by its failures; every request that failed is one that it answered; then none does."""
    shop = running(**broken_build)
    with Buyers(shop.gateway_url) as buyers:
        code, said = rollout(shop, "--steps", "10,50,100")
        assert (code, said[-1]["outcome"], said[-1]["reason"], said[-1]["percent"]) == (
            1,
            "rolled back",
            "failures",
            10,
        )
        assert weights(shop) == {VERSION: 100, NEXT: 0}
        buyers.more(6)  # those that were under way
        before = calls(shop, NEXT)
        assert not [each for each in buyers.more(200) if each.failed]
        assert calls(shop, NEXT) == before
    assert failed_calls(shop, VERSION) == 0
    assert len(buyers.failed) == failed_calls(shop, NEXT) > 0
    reader = Reader(shop.console_url, shop.console_url)
    for_canary = f'{{ resource.service.version = "{NEXT}" && resource.deployment.role = "canary" && status = error }}'
    failed = {each.trace_id for each in buyers.failed}
    eventually(lambda: failed <= set(reader.search(for_canary)), 20)
    assert_all_signals_tell_versions(shop, reader, eventually)
    reader.close()
    assert_verdict(shop, eventually, "rollback", "failures")
    adds_up(shop, eventually)


def assert_all_signals_tell_versions(shop, reader, eventually):
    """Spans, log records and metrics of both replicas carry version and role."""
    for version, role in ((VERSION, "stable"), (NEXT, "canary")):
        own = f'resource.service.name = "inventory" && resource.deployment.role = "{role}"'
        assert reader.search(f'{{ {own} && resource.service.version = "{version}" }}')
        assert not reader.search(f'{{ {own} && resource.service.version != "{version}" }}')
        assert reader.logs(f'{{service_name="inventory"}} | service_version="{version}" | deployment_role="{role}"')
        points = httpx.get(f"{shop.console_url}/api/metrics/points", params={"name": "rpc.server.call.duration"})
        assert any(
            (each["resource"].get("service_version"), each["resource"].get("deployment_role")) == (version, role)
            for each in points.json()["points"]
        )


def assert_verdict(shop, eventually, verdict, reason):
    """The verdict is a metric, with version and reason; and it is what the admin door tells."""
    expected = {
        "clew.target.service": "inventory",
        "clew.target.version": NEXT,
        "clew.canary.verdict": verdict,
        "clew.canary.reason": reason,
    }

    def points():
        found = httpx.get(f"{shop.console_url}/api/metrics/points", params={"name": "clew.canary.verdicts"}).json()
        return [(each["attributes"], each["value"]) for each in found["points"][:1]]

    assert eventually(points) == [(expected, 1)]
    with door(shop) as client:
        assert client.get("/verdicts").json() == {"inventory": {"version": NEXT, "verdict": verdict, "reason": reason}}


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_good_canary_is_promoted_and_the_old_version_can_leave(running, eventually):
    """It passes by its own metrics, and at 10, 50 and 100 %; then it serves alone; no request fails at all."""
    shop = running()
    with Buyers(shop.gateway_url) as buyers:
        with door(shop) as client:
            client.put("/weights/inventory", json={VERSION: 50, NEXT: 50}).raise_for_status()
        code, said = canary(shop, "--metric", "rpc.server.call.duration")
        assert (code, said[-1]["outcome"], said[-1]["percent"]) == (0, "passed", None), said[-5:]
        assert weights(shop) == {VERSION: 50, NEXT: 50}
        code, said = rollout(shop, "--steps", "10,50,100")
        assert (code, said[-1]["outcome"]) == (0, "promoted"), said[-5:]
        assert [each["percent"] for each in said[:-1] if each["verdict"] == "pass"] == [10, 50, 100]
        assert weights(shop) == {VERSION: 0, NEXT: 100}
        buyers.more(6)
        before = calls(shop, VERSION)
        shop.child("inventory").process.terminate()
        shop.child("inventory").process.wait(20)
        buyers.more(200)
        assert calls(shop, VERSION) == before
    assert buyers.failed == []
    assert_verdict(shop, eventually, "promote", "held")
    adds_up(shop, eventually)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_blue_green_switches_and_switches_back_under_load_without_a_failed_request(running, eventually):
    """All calls go to the other version from one moment to the next, there and back again, and none fails."""
    shop = running()
    with Buyers(shop.gateway_url) as buyers, door(shop) as client:
        buyers.more(60)
        for live, idle in ((NEXT, VERSION), (VERSION, NEXT), (NEXT, VERSION), (VERSION, NEXT)):
            answer = client.put("/weights/inventory", json={live: 100, idle: 0})
            assert answer.json()["inventory"]["weights"] == {live: 100, idle: 0}
            buyers.more(12)  # those that were under way, of six buyers
            before = {version: calls(shop, version) for version in (live, idle)}
            buyers.more(100)
            assert calls(shop, idle) == before[idle]
            assert calls(shop, live) >= before[live] + 50
    assert buyers.failed == []
    adds_up(shop, eventually)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_watched_switch_to_a_broken_build_is_taken_back(running, broken_build, eventually):
    """With the one step of 100 % the stable version is watched first, and what comes after is held against it."""
    shop = running(**broken_build)
    with Buyers(shop.gateway_url) as buyers:
        start = time.monotonic()
        code, said = rollout(shop, "--steps", "100")
        assert (code, said[-1]["reason"], said[-1]["percent"]) == (1, "failures", 100)
        assert said[0]["percent"] == 0
        assert time.monotonic() - start < 60
        buyers.more(12)
        assert not [each for each in buyers.more(100) if each.failed]
    assert failed_calls(shop, VERSION) == 0
    adds_up(shop, eventually)
