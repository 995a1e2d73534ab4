"""The judge reads Prometheus as it reads the console."""

import json
import os
import subprocess
import sys

import httpx
import pytest
from buyers import Buyers
from shop.runner import VERSION

from stack.fixtures import CANARY

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400), pytest.mark.xdist_group("stack")]


@pytest.fixture
def door(stack_shop):
    """The gateway's admin door; afterwards the versions have no weights."""
    headers = {"Authorization": f"Bearer {stack_shop.admin_token}"}
    with httpx.Client(base_url=stack_shop.doors["gateway"], headers=headers) as client:
        yield client
        client.delete("/weights/inventory").raise_for_status()


def test_a_good_canary_is_promoted_by_what_prometheus_has_of_it(stack, stack_shop, stack_reader, door):
    """The counts it decides by are those of Prometheus, all calls of both versions, and no request fails."""
    command = [sys.executable, "-m", "instrumentation.cli", "canary", "inventory", "--json", "--every", "1"]
    command += ["--stable", VERSION, "--canary", CANARY, "--prometheus", stack.url("prometheus"), "--steps", "50,100"]
    command += ["--gateway", str(door.base_url), "--objective", "99", "--slower", "3", "--timeout", "120"]
    environment = {**os.environ, "ADMIN_TOKEN": stack_shop.admin_token}
    with Buyers(stack_shop.gateway_url, rate=40) as buyers:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr, said[-1]["outcome"]) == (0, "", "promoted"), done
    assert buyers.failed == []
    query = f'sum(clew_target_call_duration_seconds_count{{clew_target_version="{CANARY}"}})'
    ((_, counted),) = stack_reader.metrics(query)
    steps = [each for each in said[:-1] if each["verdict"] == "pass"]
    assert [each["percent"] for each in steps] == [50, 100]
    assert 100 <= sum(each["canary"]["calls"] for each in steps) <= counted
