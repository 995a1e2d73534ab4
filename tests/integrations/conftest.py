"""What tests of the client and messaging integrations share."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def series():
    """Return the series of a metric as (attributes, count or value), those without a value left out."""

    def of(kit, name):
        points = [point for family in kit.signals.metrics.snapshot() if family.name == name for point in family.points]
        values = [
            (dict(point.attributes), sum(point.counts) if hasattr(point, "counts") else point.value) for point in points
        ]
        return [(attributes, value) for attributes, value in values if value]

    return of


@pytest.fixture
async def eventually():
    """Return a coroutine function that waits until a condition holds, 5 s at most."""

    async def wait(condition):
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 what ends a span elsewhere sets no event
                await asyncio.sleep(0.005)

    return wait


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory):
    """A NATS server with JetStream of its own, on a port that it picks itself."""
    data = tmp_path_factory.mktemp("nats")
    program = Path(sys.executable).with_name("nats-server")
    command = [program, "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", data / "store", "--ports_file_dir", data]
    with (data / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            yield _ready_url(process, data)
        finally:
            process.terminate()


def _ready_url(process, data):
    import json
    import time

    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        for found in data.glob("*.ports"):
            if text := found.read_text():
                return json.loads(text)["nats"][0]
        time.sleep(0.02)
    raise RuntimeError((data / "log").read_text())
