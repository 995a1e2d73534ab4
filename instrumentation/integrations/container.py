"""Limits of the container: what the kernel's control groups allow this process, and how near memory is to it.

Reads cgroup v2 and v1. A group without a limit takes its parent's; without any the metrics are absent.

Sources: https://docs.kernel.org/admin-guide/cgroup-v2.html and .../cgroup-v1/memory.html. The working set is what the
kubelet evicts by: usage without the file pages that the kernel can drop at once.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from instrumentation import semconv
from instrumentation.encode.family import Scalar
from instrumentation.signals.metric import MetricStore

Values = Iterable[tuple[float, Mapping[str, Scalar]]]

_UNLIMITED_BYTES = 1 << 60
"""cgroup v1 says "no limit" as the largest number of whole pages."""


class Memory(NamedTuple):
    """Memory of a container, in bytes.

    Attributes:
        working_set: In use, without what the kernel can drop at once.
        limit: At which a process is killed.
    """

    working_set: int
    limit: int


class Container:
    """The control groups of this process.

    Args:
        root: Where the control groups are mounted.
        membership: Says which of them the process is in.
    """

    def __init__(self, root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> None:
        self._root = root
        self._paths = _memberships(membership)

    def memory(self) -> Memory | None:
        """Return use and limit; None without a limit."""
        return self._memory("", "memory.max", "memory.current", "inactive_file") or self._memory(
            "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
        )

    def cpus(self) -> float | None:
        """Return how many CPUs' worth of time the container may use; None without a limit."""
        for directory in self._directories(""):
            quota, _, period = _text(directory / "cpu.max").partition(" ")
            if quota.isdecimal() and period.isdecimal():
                return int(quota) / int(period)
        for directory in self._directories("cpu"):
            quota, period = _number(directory / "cpu.cfs_quota_us"), _number(directory / "cpu.cfs_period_us")
            if quota and period:
                return quota / period
        return None

    def _memory(self, controller: str, limit_file: str, usage_file: str, droppable: str) -> Memory | None:
        limits = [
            (limit, directory)
            for directory in self._directories(controller)
            if (limit := _number(directory / limit_file)) is not None and limit < _UNLIMITED_BYTES
        ]
        if not limits:
            return None
        limit, directory = min(limits)
        usage = _number(directory / usage_file) or 0
        return Memory(max(0, usage - _statistic(directory / "memory.stat", droppable)), limit)

    def _directories(self, controller: str) -> Iterator[Path]:
        """Yield the group's directory and its parents' that can be seen; a container sees its own as the root."""
        path = self._paths.get(controller)
        if path is None:
            return
        top = self._root / controller
        directory = top / path.strip("/")
        while True:
            if directory.is_dir():
                yield directory
            if directory == top or top not in directory.parents:
                return
            directory = directory.parent


def _memberships(file: Path) -> dict[str, str]:
    """Return the process's group of each controller; of the unified hierarchy under an empty name."""
    paths: dict[str, str] = {}
    for line in _text(file).splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            paths[controller] = path
    return paths


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def _number(file: Path) -> int | None:
    text = _text(file)
    return int(text) if text.isdecimal() else None


def _statistic(file: Path, key: str) -> int:
    for line in _text(file).splitlines():
        name, _, value = line.partition(" ")
        if name == key and value.isdecimal():
            return int(value)
    return 0


class ContainerMetrics:
    """The readings of a container in a store, until `undo`."""

    def __init__(self, store: MetricStore, container: Container | None = None) -> None:
        self._container = Container() if container is None else container
        text = "Memory in use, without what the kernel can drop at once."
        name = semconv.CONTAINER_MEMORY_WORKING_SET
        working_set = store.observable(
            name, kind="up_down_counter", unit="By", description=text, callback=self.working_set
        )
        text, name = "Memory at which a process of the container is killed.", semconv.CONTAINER_MEMORY_LIMIT
        limit = store.observable(name, kind="up_down_counter", unit="By", description=text, callback=self.limit)
        text, name = "Working set as a share of the limit.", semconv.CONTAINER_MEMORY_UTILIZATION
        share = store.observable(name, kind="gauge", unit="1", description=text, callback=self.utilization)
        text, name = "CPUs that the container may use.", semconv.CONTAINER_CPU_LIMIT
        cpus = store.observable(name, kind="up_down_counter", unit="{cpu}", description=text, callback=self.cpus)
        self._registered = (
            (working_set, self.working_set),
            (limit, self.limit),
            (share, self.utilization),
            (cpus, self.cpus),
        )

    def working_set(self) -> Values:
        """Return the bytes in use."""
        memory = self._container.memory()
        return [] if memory is None else [(memory.working_set, {})]

    def limit(self) -> Values:
        """Return the bytes allowed."""
        memory = self._container.memory()
        return [] if memory is None else [(memory.limit, {})]

    def utilization(self) -> Values:
        """Return the share of the allowed bytes that is in use."""
        memory = self._container.memory()
        return [] if memory is None or not memory.limit else [(memory.working_set / memory.limit, {})]

    def cpus(self) -> Values:
        """Return the CPUs allowed."""
        cpus = self._container.cpus()
        return [] if cpus is None else [(cpus, {})]

    def undo(self) -> None:
        """Take the readings out of the store."""
        for instrument, read in self._registered:
            instrument.remove(read)
