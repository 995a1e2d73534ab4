"""The kit's time in tests: it stands still but for a tick at each reading, and moves when it is told to."""

import sys
import time
from collections.abc import Callable
from importlib import import_module
from threading import Lock

START_NS = 1_767_225_600_000_000_000
"""2026-01-01T00:00:00Z, Unix time in nanoseconds."""
TICK_NS = 1000
"""How far each reading moves it, so that what came first is earlier."""
READERS = (
    "instrumentation._exports",
    "instrumentation.integrations.database",
    "instrumentation.integrations.http",
    "instrumentation.integrations.request_span",
    "instrumentation.signals.cell",
    "instrumentation.signals.log",
    "instrumentation.signals.logger",
    "instrumentation.signals.metric",
    "instrumentation.signals.span",
)
"""The modules that take the time of a record or of a request."""
_WHEN_LOADED = ("instrumentation.sdk.metrics",)
"""Likewise, where OpenTelemetry's SDK is used."""


class Clock:
    """A fixed clock for the times and durations of records; the program's own `time` goes on.

    Each reading moves it by a microsecond. Any thread may read it.
    """

    def __init__(self) -> None:
        self._now_ns = START_NS
        self._lock = Lock()

    @property
    def now_ns(self) -> int:
        """Unix time, nanoseconds; to look does not move it."""
        return self._now_ns

    def advance(self, seconds: float) -> None:
        """Move it on, so that what is under way takes longer.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds}")
        with self._lock:
            self._now_ns += round(seconds * 1e9)

    def read_ns(self) -> int:
        """Read it as the kit does: a tick later each time."""
        with self._lock:
            self._now_ns += TICK_NS
            return self._now_ns

    def install(self) -> Callable[[], None]:
        """Make the kit read this clock; return what gives it the process' time back."""
        modules = [import_module(name) for name in READERS]
        modules += [sys.modules[name] for name in _WHEN_LOADED if name in sys.modules]
        places = [
            (module, name) for module in modules for name in ("time_ns", "perf_counter_ns") if name in vars(module)
        ]
        for module, name in places:
            setattr(module, name, self.read_ns)

        def undo() -> None:
            for module, name in places:
                setattr(module, name, getattr(time, name))

        return undo
