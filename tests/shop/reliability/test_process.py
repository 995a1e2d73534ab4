import asyncio

import pytest
from shop.reliability import process
from shop.reliability.process import background


async def test_a_job_that_fails_is_begun_anew(monkeypatch: pytest.MonkeyPatch):
    """A failure of a background job ends neither the body nor the job."""
    monkeypatch.setattr(process, "RETRY_SECONDS", 0.01)
    again = asyncio.Event()
    begun = 0

    async def job() -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            raise ConnectionError("database away")
        again.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(5), background(job):
        await again.wait()
    assert begun == 2


async def test_a_job_that_loses_its_cancellation_is_told_again(monkeypatch: pytest.MonkeyPatch):
    """As `asyncio.wait_for` of Python 3.11 loses one that comes with its result: the service ends all the same."""
    monkeypatch.setattr(process, "CANCEL_AGAIN_SECONDS", 0.01)
    lost = 0

    async def job() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if lost == 2:
                    raise
                lost += 1

    async with asyncio.timeout(5), background(job):
        await asyncio.sleep(0)
    assert lost == 2
