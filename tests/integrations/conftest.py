"""What tests of the client and messaging integrations share."""

import asyncio

import broker_servers
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
    """A NATS server with JetStream of its own."""
    with broker_servers.nats_server(tmp_path_factory.mktemp("nats")) as url:
        yield url
