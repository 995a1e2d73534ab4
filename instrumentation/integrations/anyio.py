"""anyio: calls that wait for one of its worker threads, where Starlette and FastAPI run sync endpoints.

The limiter belongs to an event loop and can be asked for only there, so it is kept at the first call.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

import anyio
import anyio.to_thread

from instrumentation import semconv
from instrumentation.encode.family import Scalar
from instrumentation.guard import Guard
from instrumentation.signals.signals import Signals

POOL_NAME = "anyio"

RunSync = Callable[..., Coroutine[Any, Any, Any]]


def install(signals: Signals) -> Callable[[], None]:
    """Observe the worker threads of all event loops; returns what undoes it."""
    limiters = _Limiters(signals.guard)
    module: Any = anyio.to_thread
    original: RunSync = module.run_sync
    module.run_sync = _wrapped(original, limiters)
    name, text = semconv.THREAD_POOL_QUEUE_LENGTH, "Calls that wait for a thread of a pool."
    queue = signals.metrics.observable(
        name, kind="up_down_counter", unit="{call}", description=text, callback=limiters.waiting
    )

    def undo() -> None:
        module.run_sync = original
        queue.remove(limiters.waiting)

    return undo


def _wrapped(original: RunSync, limiters: "_Limiters") -> RunSync:
    @wraps(original)
    async def run_sync(*args: Any, **options: Any) -> Any:
        limiters.seen()
        return await original(*args, **options)

    return run_sync


class _Limiters:
    """The default limiters of the event loops that have called a thread."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._limiters: WeakKeyDictionary[asyncio.AbstractEventLoop, anyio.CapacityLimiter] = WeakKeyDictionary()

    def seen(self) -> None:
        """Keep the limiter of the running loop; trio's loops are left out."""
        try:
            loop = asyncio.get_running_loop()
            if loop not in self._limiters:
                self._limiters[loop] = anyio.to_thread.current_default_thread_limiter()
        except RuntimeError:
            return
        except Exception as error:
            self._guard.caught("anyio limiter", error)

    def waiting(self) -> list[tuple[float, dict[str, Scalar]]]:
        """Return the calls that wait, of all loops together."""
        limiters = list(self._limiters.values())
        if not limiters:
            return []
        count = sum(limiter.statistics().tasks_waiting for limiter in limiters)
        return [(count, {semconv.THREAD_POOL_NAME: POOL_NAME})]
