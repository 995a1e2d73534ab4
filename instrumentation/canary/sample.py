"""Sample: the calls to one version since a moment, from counters that only grow."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a histogram of durations, as a backend has it now.

    Attributes:
        key: What tells it from all others.
        version: Of who was called.
        failed: Whether these are the calls that failed.
        bounds: Upper bounds of the buckets, in seconds, without the last, which is infinite.
        counts: Calls in each bucket; one more than there are bounds.
        seconds: All durations together.
    """

    key: tuple[tuple[str, str], ...]
    version: str
    failed: bool
    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    seconds: float


Snapshot = Mapping[tuple[tuple[str, str], ...], Series]
"""All series of a metric at one moment, by key."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Calls to one version.

    Attributes:
        failures: Calls that failed.
        bounds: Upper bounds of the buckets, in seconds, without the last, which is infinite.
        counts: Calls that succeeded, by bucket; empty where there was none.
        seconds: Durations of those that succeeded, together.
    """

    failures: int = 0
    bounds: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    seconds: float = 0.0

    @property
    def successes(self) -> int:
        """Calls that succeeded."""
        return sum(self.counts)

    @property
    def calls(self) -> int:
        """All calls."""
        return self.failures + self.successes

    @property
    def mean_seconds(self) -> float:
        """Mean duration of those that succeeded; 0 where there was none."""
        return self.seconds / self.successes if self.successes else 0.0

    def slow(self, within_seconds: float) -> int:
        """Count those that succeeded and took longer.

        Raises:
            ValueError: the time is no bound of a bucket, so nobody counted them.
        """
        if not self.counts:
            return 0
        if within_seconds not in self.bounds:
            known = ", ".join(f"{bound:g}" for bound in self.bounds)
            raise ValueError(f"{within_seconds:g} s is no bound of the histogram's buckets; these are: {known}")
        return sum(self.counts[self.bounds.index(within_seconds) + 1 :])

    def median_seconds(self) -> float:
        """Estimate the median from the buckets, as Prometheus' `histogram_quantile` does; 0 where there was no call."""
        wanted, below, seen = self.successes / 2, 0.0, 0
        for bound, count in zip(self.bounds, self.counts, strict=False):
            if count and seen + count >= wanted:
                return below + (bound - below) * (wanted - seen) / count
            seen, below = seen + count, bound
        return below

    def plus(self, other: "Sample") -> "Sample":
        """Return both together; they have the same buckets."""
        if not (self.counts and other.counts):
            counted = self if self.counts else other
            return Sample(self.failures + other.failures, counted.bounds, counted.counts, counted.seconds)
        counts = tuple(map(sum, zip(self.counts, other.counts, strict=True)))
        return Sample(self.failures + other.failures, self.bounds, counts, self.seconds + other.seconds)


def added(before: Snapshot, now: Snapshot, version: str) -> Sample:
    """Return the calls to a version between two moments; of a counter that began anew, what it has counted since."""
    found = Sample()
    for key, series in now.items():
        if series.version == version:
            found = found.plus(_grown(before.get(key), series))
    return found


def snapshot(series: Iterable[Series]) -> Snapshot:
    """Return series by key."""
    return {each.key: each for each in series}


def _grown(before: Series | None, now: Series) -> Sample:
    counts: Sequence[int] = now.counts
    seconds = now.seconds
    if before is not None and before.bounds == now.bounds and sum(before.counts) <= sum(now.counts):
        counts = [new - old for new, old in zip(now.counts, before.counts, strict=True)]
        seconds -= before.seconds
    if now.failed:
        return Sample(failures=sum(counts))
    return Sample(0, now.bounds, tuple(counts), seconds)
