"""Short slices of load, taken in turns by servers that are all up: what the machine does to one it does to the next.

A slice has a lead-in, longer than the 0.5 s after which records are flushed, and a window that counts: so the window
has its full share of exporting, and what the slice before left behind is paid in the lead-in, which nobody counts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

LEAD_IN_SECONDS = 0.6
WINDOW_SECONDS = 0.5
NEIGHBOURS = (-2, -1, 1, 2)
LEAST_OPERATIONS = 20
"""In a window with fewer the machine was elsewhere: it tells nothing, and is left out."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What was seen in one window.

    Attributes:
        operations: How many ended in it.
        seconds: Its length.
        cpu_seconds: CPU of the measured process in it, of all its threads.
        latencies_ms: Of each operation; empty where nobody waits for them.
        total: Operations of the window, the lead-in and the rest that was under way at the end.
    """

    operations: int
    seconds: float
    cpu_seconds: float
    latencies_ms: Sequence[float]
    total: int

    @property
    def tells(self) -> bool:
        """Whether enough happened in it."""
        return self.operations >= LEAST_OPERATIONS

    @property
    def per_second(self) -> float:
        """Operations per second."""
        return self.operations / self.seconds

    @property
    def cpu_us(self) -> float:
        """CPU per operation, microseconds."""
        return self.cpu_seconds / self.operations * 1e6


class Subject(Protocol):
    """Something that is up and can be loaded.

    Attributes:
        name: As the table has it.
        base: Name of what it is compared with, its own for a bare one.
        pid: Of the measured process.
    """

    name: str
    base: str
    pid: int

    def run(self, lead_in: float, seconds: float) -> Slice:
        """Load it for one slice."""
        ...


def turns(subjects: Sequence[Subject]) -> Iterator[Subject]:
    """Yield one cycle: each base at its group's start and after every second of those compared with it.

    So each slice has a slice of its base among the two before and the two after it.
    """
    for base in subjects:
        if base.base != base.name:
            continue
        others = [each for each in subjects if each.base == base.name and each is not base]
        yield base
        for number, each in enumerate(others, 1):
            yield each
            if number % 2 == 0 and number < len(others):
                yield base


@dataclass(frozen=True, slots=True)
class Pair:
    """A slice and the means of the slices of its base beside it."""

    own: Slice
    base_per_second: float
    base_cpu_us: float


class Timeline:
    """All slices in the order in which they were taken."""

    def __init__(self) -> None:
        self._slices: list[tuple[str, Slice]] = []

    def take(self, subject: Subject, lead_in: float = LEAD_IN_SECONDS, seconds: float = WINDOW_SECONDS) -> None:
        """Load a subject for one slice."""
        self._slices.append((subject.name, subject.run(lead_in, seconds)))

    def of(self, name: str) -> list[Slice]:
        """Return the slices of one subject."""
        return [each for owner, each in self._slices if owner == name]

    def median_per_second(self, name: str) -> float:
        """Return the median of one subject's throughput."""
        return median(each.per_second for each in self.of(name) if each.tells)

    def latencies_ms(self, name: str) -> list[float]:
        """Return the latencies of all its slices together."""
        return [latency for each in self.of(name) for latency in each.latencies_ms]

    def pairs(self, name: str, base: str) -> list[Pair]:
        """Return the slices of one subject, each with the slices of another that are beside it."""
        return [
            Pair(own, _mean([each.per_second for each in beside]), _mean([each.cpu_us for each in beside]))
            for place, (owner, own) in enumerate(self._slices)
            if owner == name and own.tells and (beside := [own] if name == base else self._beside(place, base))
        ]

    def _beside(self, place: int, base: str) -> list[Slice]:
        near = [place + step for step in NEIGHBOURS if 0 <= place + step < len(self._slices)]
        several = [self._slices[each] for each in near]
        return [one for owner, one in several if owner == base and one.tells]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
