"""Reduce slices to the rows of a table: medians of what each slice is beside the slices of its base."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any

from benchmarks.side_by_side import Measured
from benchmarks.slices import Slice, Timeline
from benchmarks.variants import Variant

ENOUGH = 1000
"""Latencies from which a 99th percentile means something."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A median, and between which two values the middle half lies."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Reduce values."""
        several = sorted(values)
        low, _, high = quantiles(several, n=4, method="inclusive") if len(several) > 1 else several * 3
        return cls(median(several), low, high)

    def text(self, digits: int) -> str:
        """Render as `median (low to high)`."""
        return f"{self.median:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


@dataclass(frozen=True, slots=True)
class Row:
    """One variant.

    Attributes:
        name: Of the variant.
        throughput_ratio: Of its base's.
        cpu_ratio: CPU per operation of the base, by its own: the throughput if nothing else is waited for.
        cpu_us: CPU per operation.
        added_us: To the base's.
        p99_ratio: 99th percentile of all latencies, of its base's; None where nobody waits.
        steady_p99_ratio: The same at a fixed rate, from when each request was due.
        rss_mib: Memory at the end.
        per_operation: What arrived at the sink, by name.
    """

    name: str
    throughput_ratio: Spread
    cpu_ratio: Spread
    cpu_us: Spread
    added_us: Spread
    p99_ratio: float | None
    steady_p99_ratio: float | None
    rss_mib: float
    per_operation: dict[str, float]


def rows(measured: Measured) -> list[Row]:
    """Reduce what was measured."""
    return [_row(measured, variant) for variant in measured.variants]


def _row(measured: Measured, variant: Variant) -> Row:
    pairs = measured.timeline.pairs(variant.name, variant.base)
    total = measured.totals[variant.name]
    return Row(
        variant.name,
        Spread.of(each.own.per_second / each.base_per_second for each in pairs),
        Spread.of(each.base_cpu_us / each.own.cpu_us for each in pairs),
        Spread.of(each.own.cpu_us for each in pairs),
        Spread.of(each.own.cpu_us - each.base_cpu_us for each in pairs),
        _p99_ratio(measured.timeline, variant),
        _p99_ratio(measured.steady, variant),
        measured.rss_mib[variant.name],
        {name: count / total for name, count in sorted(measured.counts[variant.name].items())},
    )


def _p99_ratio(timeline: Timeline, variant: Variant) -> float | None:
    own, base = timeline.latencies_ms(variant.name), timeline.latencies_ms(variant.base)
    return None if min(len(own), len(base)) < ENOUGH else p99(own) / p99(base)


def p99(values: Sequence[float]) -> float:
    """Return the 99th percentile."""
    return sorted(values)[int(len(values) * 0.99)]


def as_json(measured: Measured) -> dict[str, Any]:
    """Return rows and slices, without the single latencies."""
    return {
        "rows": [asdict(row) for row in rows(measured)],
        "idle_share": measured.idle_share,
        "slices": {each.name: [_slice(one) for one in measured.timeline.of(each.name)] for each in measured.variants},
        "steady": {each.name: [_slice(one) for one in measured.steady.of(each.name)] for each in measured.variants},
    }


def _slice(one: Slice) -> dict[str, float]:
    if not one.tells:
        return {}
    figures = {"per_second": one.per_second, "cpu_us": one.cpu_us}
    return figures | ({"p99_ms": p99(one.latencies_ms)} if one.latencies_ms else {})
