"""Faults that a process has on purpose, each real: the loop is blocked, memory is kept, connections are not given back.

Nothing here runs unless the admin door is open and somebody switches it on.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from inspect import signature
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from instrumentation import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from shop.reliability.database import Database
    from shop.reliability.retry import Retry

MIB = 2**20
LEAK_STEPS = 10
"""Each second's leak comes in so many pieces."""

log = get_logger(__name__)


async def for_ever() -> None:
    """Wait until cancelled."""
    await asyncio.Event().wait()


async def block(seconds: float = 1.2, pause_seconds: float = 1.2) -> None:
    """Block the event loop for a while, again and again: as a call that should have been awaited does."""
    while True:
        time.sleep(seconds)  # noqa: ASYNC251 - the fault itself
        await asyncio.sleep(pause_seconds)


async def leak(mib_per_second: float = 8.0, most_mib: float = 512.0) -> None:
    """Keep more and more memory, up to a bound: as a cache that forgets nothing does."""
    kept: list[bytes] = []
    piece = b"\x01" * max(1, int(mib_per_second * MIB / LEAK_STEPS))
    while True:
        if len(kept) * len(piece) < most_mib * MIB:
            kept.append(bytes(bytearray(piece)))  # a copy, whose pages are written and so resident
        await asyncio.sleep(1 / LEAK_STEPS)


async def hold(database: Database) -> None:
    """Take every connection of the pool and give none back: as code that forgets to close them does."""
    async with AsyncExitStack() as held:
        while True:
            with suppress(PoolTimeoutError):  # none is left now: as whoever else waits, it asks again
                await held.enter_async_context(database.read())


async def unbounded(retry: Retry) -> None:
    """Take the budget of retries away: as a client that was written in a hurry does."""
    usual = retry.policy
    retry.policy = replace(usual, budget=float(usual.attempts), saved=1e6)
    try:
        await for_ever()
    finally:
        retry.policy = usual


class Faults:
    """The board of one process's faults, by name; inside of `async with` they can be switched on.

    Args:
        kinds: Beside `block` and `leak`, which every process can have: coroutine functions. A fault is there until its
            coroutine is cancelled; its parameters are what an operator may set.
    """

    def __init__(self, **kinds: Callable[..., Coroutine[Any, Any, None]]) -> None:
        self._kinds: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {"block": block, "leak": leak, **kinds}
        self._running: dict[str, Any] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def read(self) -> dict[str, bool]:
        """Return every fault and whether it is there now."""
        return {name: name in self._running and not self._running[name].done() for name in sorted(self._kinds)}

    def put(self, name: str, value: Mapping[str, Any]) -> None:
        """Begin a fault, or begin it anew with other parameters.

        Raises:
            KeyError: no such fault.
            TypeError: it has no such parameter.
        """
        fault = self._kinds[name]
        signature(fault).bind(**value)
        self.remove(name)
        log.warning("fault begins", fault=name, parameters=str(dict(value)))
        self._running[name] = asyncio.run_coroutine_threadsafe(self._have(name, fault(**value)), self._loop)

    def remove(self, name: str) -> None:
        """End a fault."""
        if name not in self._kinds:
            raise KeyError(name)
        running = self._running.pop(name, None)
        if running is not None:
            running.cancel()
            log.warning("fault ends", fault=name)

    async def __aenter__(self) -> Faults:
        self._loop = asyncio.get_running_loop()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for name in tuple(self._running):
            self.remove(name)
        await asyncio.sleep(0)  # the cancellations are on their way
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _have(self, name: str, fault: Coroutine[Any, Any, None]) -> None:
        """Have a fault; one that fails says so, since nobody waits for its result."""
        task = asyncio.ensure_future(fault)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await task
        except Exception as error:
            log.exception("fault failed", fault=name, error=repr(error))
