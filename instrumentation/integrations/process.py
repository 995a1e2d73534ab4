"""Metrics of the process: CPU, memory, threads, file descriptors, garbage collections, asyncio tasks and loop delay.

Read when a snapshot is taken: no thread of its own. Source of the names:
https://opentelemetry.io/docs/specs/semconv/system/process-metrics/ and .../runtime/cpython-metrics/ (development);
the asyncio names have no convention and follow `nodejs.eventloop.delay` in shape.
"""

import asyncio
import gc
import os
import resource
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextvars import Context
from pathlib import Path

from instrumentation import semconv
from instrumentation.encode.family import Scalar
from instrumentation.signals.metric import MetricStore, Observable, ObservableKind

Values = Iterable[tuple[float, Mapping[str, Scalar]]]

PERIOD_SECONDS = 0.025
"""Between two looks at the loop: a block is seen at most this much too short. Costs about 0.05 % of a core."""
WINDOW_SECONDS = 30.0
"""The maximum is that of the last one to two windows, whoever reads it and how often."""
BOUNDARIES_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_PROC = Path("/proc/self")
_HAS_PROC = (_PROC / "statm").exists()


def cpu_time() -> Values:
    """Return CPU seconds in user and in system mode."""
    times = os.times()
    return [(times.user, {semconv.CPU_MODE: "user"}), (times.system, {semconv.CPU_MODE: "system"})]


def memory_usage() -> Values:
    """Return the resident set in bytes; where /proc is missing, its peak."""
    if _HAS_PROC:
        pages = int((_PROC / "statm").read_text().split()[1])
        return [(pages * resource.getpagesize(), {})]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return [(peak if sys.platform == "darwin" else peak * 1024, {})]


def thread_count() -> Values:
    """Return the operating system's threads; where /proc is missing, Python's."""
    if _HAS_PROC:
        after_name = (_PROC / "stat").read_text().rpartition(")")[2].split()
        return [(int(after_name[17]), {})]
    return [(threading.active_count(), {})]


def file_descriptor_count() -> Values:
    """Return the open file descriptors, without the one that lists them."""
    return [(len(os.listdir("/proc/self/fd" if _HAS_PROC else "/dev/fd")) - 1, {})]  # noqa: PTH208  # cheaper than Path


def _gc_values(key: str) -> Callable[[], Values]:
    def values() -> Values:
        return [(stats[key], {semconv.CPYTHON_GC_GENERATION: n}) for n, stats in enumerate(gc.get_stats())]

    return values


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

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch this loop; call it in the loop's thread. Does nothing while another running loop is watched."""
        if self._loop is not None and self._loop.is_running():
            return
        self._loop = loop
        self._window_end = loop.time() + WINDOW_SECONDS
        self._max = self._previous_max = 0.0
        self._arm(loop)

    def stop(self) -> None:
        """Watch no longer."""
        timer, self._timer, self._loop = self._timer, None, None
        if timer is not None:
            timer.cancel()

    def delay_max(self) -> Values:
        """Return the longest delay of the last windows in seconds, a block that still lasts included."""
        loop = self._loop
        if loop is None or not loop.is_running():
            return []
        return [(max(self._max, self._previous_max, loop.time() - self._due), {})]

    def task_count(self) -> Values:
        """Return the loop's unfinished tasks."""
        loop = self._loop
        return [] if loop is None or not loop.is_running() else [(len(asyncio.all_tasks(loop)), {})]

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = loop.time() + PERIOD_SECONDS
        # An empty context: a timer started during a request would keep that request's span alive for ever.
        self._timer = loop.call_at(self._due, self._tick, loop, context=Context())

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is not self._loop:
            return
        now = loop.time()
        delay = max(0.0, now - self._due)
        if now > self._window_end:
            self._window_end = now + WINDOW_SECONDS
            self._previous_max, self._max = self._max, 0.0
        self._max = max(self._max, delay)
        self._delay.observe(delay)
        self._arm(loop)


class ProcessMetrics:
    """Undo handle of `register`.

    Attributes:
        monitor: Of the event loop; None if it was not wanted.
    """

    def __init__(self, monitor: LoopMonitor | None) -> None:
        self.monitor = monitor
        self._registered: list[tuple[Observable, Callable[[], Values]]] = []

    def observe(
        self, store: MetricStore, name: str, kind: ObservableKind, unit: str, text: str, read: Callable[[], Values]
    ) -> None:
        """Register a reading and remember it for `undo`."""
        instrument = store.observable(name, kind=kind, unit=unit, description=text, callback=read)
        self._registered.append((instrument, read))

    def start_loop_monitor(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Watch this loop, by default the running one; call it in the loop's thread, as often as convenient."""
        if self.monitor is not None:
            self.monitor.start(loop or asyncio.get_running_loop())

    def undo(self) -> None:
        """Take all readings out of the store and stop watching the loop."""
        if self.monitor is not None:
            self.monitor.stop()
        for instrument, read in self._registered:
            instrument.remove(read)
        self._registered.clear()


def register(store: MetricStore, loop_monitor: bool = True) -> ProcessMetrics:
    """Add the metrics to the store; if a loop is running here, watch it, else `start_loop_monitor` does it later."""
    handle = ProcessMetrics(LoopMonitor(store) if loop_monitor else None)
    _observe_process(store, handle)
    _observe_gc(store, handle)
    if handle.monitor is not None:
        _observe_loop(store, handle, handle.monitor)
        try:
            handle.start_loop_monitor()
        except RuntimeError:
            return handle  # no loop is running yet
    return handle


def _observe_process(store: MetricStore, handle: ProcessMetrics) -> None:
    handle.observe(store, semconv.PROCESS_CPU_TIME, "counter", "s", "CPU time by mode.", cpu_time)
    text = "Physical memory in use."
    handle.observe(store, semconv.PROCESS_MEMORY_USAGE, "up_down_counter", "By", text, memory_usage)
    text = "Threads of the process."
    handle.observe(store, semconv.PROCESS_THREAD_COUNT, "up_down_counter", "{thread}", text, thread_count)
    text, name = "Open file descriptors.", semconv.PROCESS_UNIX_FILE_DESCRIPTOR_COUNT
    handle.observe(store, name, "up_down_counter", "{file_descriptor}", text, file_descriptor_count)


def _observe_gc(store: MetricStore, handle: ProcessMetrics) -> None:
    name, text = semconv.CPYTHON_GC_COLLECTIONS, "Garbage collections by generation."
    handle.observe(store, name, "counter", "{collection}", text, _gc_values("collections"))
    name, text = semconv.CPYTHON_GC_COLLECTED_OBJECTS, "Objects freed by garbage collection."
    handle.observe(store, name, "counter", "{object}", text, _gc_values("collected"))
    name, text = semconv.CPYTHON_GC_UNCOLLECTABLE_OBJECTS, "Objects that garbage collection could not free."
    handle.observe(store, name, "counter", "{object}", text, _gc_values("uncollectable"))


def _observe_loop(store: MetricStore, handle: ProcessMetrics, monitor: LoopMonitor) -> None:
    text = "Longest delay of the event loop in the last 30 to 60 s."
    handle.observe(store, semconv.ASYNCIO_EVENTLOOP_DELAY_MAX, "gauge", "s", text, monitor.delay_max)
    text = "Unfinished asyncio tasks."
    handle.observe(store, semconv.ASYNCIO_TASK_COUNT, "up_down_counter", "{task}", text, monitor.task_count)
