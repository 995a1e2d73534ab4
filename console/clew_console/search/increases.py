"""By how much counters and histograms grew in a time: two points of each series, however many there are between."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from clew_console.search.reader import connections, resources
from clew_console.search.time_range import TimeRange
from clew_console.store.directory import Directory
from clew_console.store.value import Value

DELTA = 1

_SERIES = "SELECT id, resource_id, temporality, attributes FROM series WHERE name = ?"
_COLUMNS = "time_ns, start_ns, value, count, buckets"
_LAST = (
    f"SELECT {_COLUMNS} FROM point WHERE series_id = ? AND time_ns >= ? AND time_ns < ? "  # noqa: S608 - constants
    "ORDER BY time_ns DESC LIMIT 1"
)
_FIRST = _LAST.replace("DESC", "ASC")
_SUM = (
    "SELECT max(time_ns), min(start_ns), sum(value), sum(count), NULL FROM point "
    "WHERE series_id = ? AND time_ns >= ? AND time_ns < ?"
)


@dataclass(frozen=True, slots=True)
class Increase:
    """Growth of one series: `total` of its count or value, `counts` of a histogram by upper bound."""

    service: str
    attributes: dict[str, Value]
    total: float
    counts: dict[float, float] = field(default_factory=dict)

    def within(self, bound: float) -> float:
        """Return how many observations were at most the bound, which is one of the buckets'."""
        return sum(count for upper, count in self.counts.items() if upper <= bound)


def increases(directory: Directory, name: str, when: TimeRange) -> list[Increase]:
    """Return what each series grew by; one that began in the time grew from zero."""
    found = dict[tuple[object, ...], list[tuple[Any, Any, str, dict[str, Value]]]]()
    for connection in connections(directory):
        rows = connection.execute(_SERIES, (name,)).fetchall()
        emitters = resources(connection) if rows else {}
        for series_id, resource_id, temporality, attributes in rows:
            emitter = emitters[resource_id]
            ends = _ends(connection, series_id, when, is_delta=temporality == DELTA)
            key = (attributes, emitter.encoded)
            found.setdefault(key, []).append((*ends, emitter.service, orjson.loads(attributes)))
    return [one for parts in found.values() for one in _grown(parts)]


def _ends(connection: Any, series_id: int, when: TimeRange, *, is_delta: bool) -> tuple[Any, Any]:
    """Return the point to count from and the one to count to; None where there is none."""
    inside = (series_id, when.start_ns, when.end_ns)
    if is_delta:
        return None, connection.execute(_SUM, inside).fetchone()
    last = connection.execute(_LAST, inside).fetchone()
    base = connection.execute(_LAST, (series_id, 0, when.start_ns)).fetchone()
    if base is None and last is not None and last[1] < when.start_ns:
        base = connection.execute(_FIRST, inside).fetchone()
    return base, last


def _grown(parts: list[tuple[Any, Any, str, dict[str, Value]]]) -> Iterator[Increase]:
    """Join what the segments hold of a series: the newest end, and the newest base before it."""
    lasts = [last for _, last, *_ in parts if last is not None and last[0] is not None]
    if not lasts:
        return
    bases = [base for base, *_ in parts if base is not None]
    last, base = max(lasts, key=lambda one: one[0]), max(bases, key=lambda one: one[0], default=None)
    total, counts = _measured(last)
    if base is not None and base[1] == last[1]:
        before, earlier = _measured(base)
        total, counts = total - before, {bound: count - earlier.get(bound, 0) for bound, count in counts.items()}
    yield Increase(parts[0][2], parts[0][3], max(total, 0.0), counts)


def _measured(point: Any) -> tuple[float, dict[float, float]]:
    _, _, value, count, encoded = point
    shape = orjson.loads(encoded) if encoded else {}
    counts = dict(zip((*shape.get("bounds", ()), math.inf), shape.get("counts", ()), strict=False))
    return float(count if value is None else value) if count is not None or value is not None else 0.0, counts
