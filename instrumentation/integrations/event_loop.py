"""The asyncio event loop: how late it runs its timers, and its tasks.

No convention exists: the names follow `nodejs.eventloop.delay` in shape.
"""

from collections.abc import Callable, Iterable, Mapping
from contextvars import Context
from functools import wraps
from typing import TYPE_CHECKING, Any

from instrumentation import semconv
from instrumentation.encode.family import Scalar
from instrumentation.signals.metric import MetricStore

if TYPE_CHECKING:
    import asyncio

Values = Iterable[tuple[float, Mapping[str, Scalar]]]

PERIOD_SECONDS = 0.025
"""Between two looks at the loop: a block is seen at most this much too short. Costs about 0.05 % of a core."""
WINDOW_SECONDS = 30.0
"""The maximum is that of the last one to two windows, whoever reads it and how often."""
BOUNDARIES_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def when_one_runs(start: "Callable[[asyncio.AbstractEventLoop], None]") -> Callable[[], None]:
    """Call `start` in each loop that `asyncio.run` or a runner begins to run, first of all; returns what undoes it.

    uvicorn, FastStream's command, anyio and uvloop run theirs so.
    """
    import asyncio  # noqa: PLC0415 who runs a loop has it; a service without one should not pay for it

    runner: Any = asyncio.Runner
    original = runner.run

    @wraps(original)
    def run(self: asyncio.Runner, *args: Any, **kwargs: Any) -> Any:
        loop = self.get_loop()
        # An empty context, as of whatever lives as long as the loop.
        loop.call_soon(start, loop, context=Context())
        return original(self, *args, **kwargs)

    def undo() -> None:
        if runner.run is run:
            runner.run = original

    runner.run = run
    return undo


class LoopMonitor:
    """Measures how late one event loop runs its timers, and counts its tasks."""

    def __init__(self, store: MetricStore) -> None:
        self._delay = store.histogram(
            semconv.ASYNCIO_EVENTLOOP_DELAY,
            unit="s",
            description="How late the event loop runs a timer.",
            boundaries=BOUNDARIES_SECONDS,
        ).cell()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._window_end = 0.0
        self._max = 0.0
        self._previous_max = 0.0
        self._sums = [0.0, 0.0]
        self._counts = [0, 0]

    def start(self, loop: "asyncio.AbstractEventLoop") -> None:
        """Watch this loop; call it in the loop's thread. Does nothing while another running loop is watched."""
        if self._loop is not None and self._loop.is_running():
            return
        self._loop = loop
        self._window_end = loop.time() + WINDOW_SECONDS
        self._max = self._previous_max = 0.0
        self._sums, self._counts = [0.0, 0.0], [0, 0]
        self._arm(loop)

    def stop(self) -> None:
        """Watch no longer."""
        timer, self._timer, self._loop = self._timer, None, None
        if timer is not None:
            timer.cancel()

    def forget_parent(self) -> None:
        """Let go of the loop of a forked child's parent, which looks as if it still ran here."""
        self._timer = self._loop = None

    def delay_max(self) -> Values:
        """Return the longest delay of the last windows in seconds, a block that still lasts included."""
        loop = self._loop
        if loop is None or not loop.is_running():
            return []
        return [(max(self._max, self._previous_max, loop.time() - self._due), {})]

    def delay_mean(self) -> Values:
        """Return the mean delay of the last windows in seconds."""
        loop, count = self._loop, sum(self._counts)
        return [] if loop is None or not loop.is_running() or not count else [(sum(self._sums) / count, {})]

    def task_count(self) -> Values:
        """Return the loop's unfinished tasks."""
        loop = self._loop
        if loop is None or not loop.is_running():
            return []
        import asyncio  # noqa: PLC0415 as above

        return [(len(asyncio.all_tasks(loop)), {})]

    def _arm(self, loop: "asyncio.AbstractEventLoop") -> None:
        self._due = loop.time() + PERIOD_SECONDS
        # An empty context: a timer started during a request would keep that request's span alive for ever.
        self._timer = loop.call_at(self._due, self._tick, loop, context=Context())

    def _tick(self, loop: "asyncio.AbstractEventLoop") -> None:
        if loop is not self._loop:
            return
        now = loop.time()
        delay = max(0.0, now - self._due)
        if now > self._window_end:
            self._window_end = now + WINDOW_SECONDS
            self._previous_max, self._max = self._max, 0.0
            self._sums, self._counts = [0.0, self._sums[0]], [0, self._counts[0]]
        self._max = max(self._max, delay)
        self._sums[0] += delay
        self._counts[0] += 1
        self._delay.observe(delay)
        self._arm(loop)
