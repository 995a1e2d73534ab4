"""Metrics of the process: CPU, memory, threads and file descriptors; with them those of its runtime and container.

Read when a snapshot is taken: no thread of its own. Source of the names:
https://opentelemetry.io/docs/specs/semconv/system/process-metrics/ (development).
"""

import os
import resource
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from instrumentation import semconv
from instrumentation.encode.family import Scalar
from instrumentation.integrations.container import ContainerMetrics
from instrumentation.integrations.event_loop import LoopMonitor, when_one_runs
from instrumentation.integrations.garbage import GarbageMetrics
from instrumentation.signals.metric import MetricStore, Observable, ObservableKind

if TYPE_CHECKING:
    import asyncio

Values = Iterable[tuple[float, Mapping[str, Scalar]]]

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


class ProcessMetrics:
    """Undo handle of `register`.

    Attributes:
        monitor: Of the event loop; None if it was not wanted.
    """

    def __init__(self, store: MetricStore, monitor: LoopMonitor | None) -> None:
        self.monitor = monitor
        self._garbage = GarbageMetrics(store)
        self._container = ContainerMetrics(store)
        self._registered: list[tuple[Observable, Callable[[], Values]]] = []
        self._unwatch: list[Callable[[], None]] = []

    def observe(
        self, store: MetricStore, name: str, kind: ObservableKind, unit: str, text: str, read: Callable[[], Values]
    ) -> None:
        """Register a reading and remember it for `undo`."""
        instrument = store.observable(name, kind=kind, unit=unit, description=text, callback=read)
        self._registered.append((instrument, read))

    def start_loop_monitor(self, loop: "asyncio.AbstractEventLoop | None" = None) -> None:
        """Watch this loop, by default the running one, if one is running here; as often as convenient."""
        loop = loop or _running_loop()
        if self.monitor is not None and loop is not None:
            self.monitor.start(loop)

    def watch_runners(self) -> None:
        """Watch each loop that is run from now on, if none is watched then; call it once asyncio is imported."""
        if self.monitor is not None:
            self._unwatch.append(when_one_runs(self.monitor.start))

    def forget_parent(self) -> None:
        """Let go of the event loop in a forked child, which does not run it."""
        if self.monitor is not None:
            self.monitor.forget_parent()

    def undo(self) -> None:
        """Take all readings out of the store and stop watching the loop."""
        for unwatch in self._unwatch:
            unwatch()
        if self.monitor is not None:
            self.monitor.stop()
        self._garbage.undo()
        self._container.undo()
        for instrument, read in self._registered:
            instrument.remove(read)
        self._registered.clear()


def register(store: MetricStore, loop_monitor: bool = True) -> ProcessMetrics:
    """Add the metrics to the store; if a loop is running here, watch it.

    Else `watch_runners` has it watched later, or `start_loop_monitor` in the loop.
    """
    handle = ProcessMetrics(store, LoopMonitor(store) if loop_monitor else None)
    _observe_process(store, handle)
    if handle.monitor is not None:
        _observe_loop(store, handle, handle.monitor)
        handle.start_loop_monitor()
    return handle


def _running_loop() -> "asyncio.AbstractEventLoop | None":
    """Return the loop that runs in this thread; asyncio is not imported to be told that there is none."""
    find: Callable[[], asyncio.AbstractEventLoop] | None
    find = getattr(sys.modules.get("asyncio.events"), "get_running_loop", None)
    try:
        return None if find is None else find()
    except RuntimeError:
        return None


def _observe_process(store: MetricStore, handle: ProcessMetrics) -> None:
    handle.observe(store, semconv.PROCESS_CPU_TIME, "counter", "s", "CPU time by mode.", cpu_time)
    text = "Physical memory in use."
    handle.observe(store, semconv.PROCESS_MEMORY_USAGE, "up_down_counter", "By", text, memory_usage)
    text = "Threads of the process."
    handle.observe(store, semconv.PROCESS_THREAD_COUNT, "up_down_counter", "{thread}", text, thread_count)
    text, name = "Open file descriptors.", semconv.PROCESS_UNIX_FILE_DESCRIPTOR_COUNT
    handle.observe(store, name, "up_down_counter", "{file_descriptor}", text, file_descriptor_count)


def _observe_loop(store: MetricStore, handle: ProcessMetrics, monitor: LoopMonitor) -> None:
    text = "Longest delay of the event loop in the last 30 to 60 s."
    handle.observe(store, semconv.ASYNCIO_EVENTLOOP_DELAY_MAX, "gauge", "s", text, monitor.delay_max)
    text = "Mean delay of the event loop in the last 30 to 60 s."
    handle.observe(store, semconv.ASYNCIO_EVENTLOOP_DELAY_MEAN, "gauge", "s", text, monitor.delay_mean)
    text = "Unfinished asyncio tasks."
    handle.observe(store, semconv.ASYNCIO_TASK_COUNT, "up_down_counter", "{task}", text, monitor.task_count)
