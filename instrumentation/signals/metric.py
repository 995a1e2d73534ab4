"""The metric store: instruments by name, their series as cells, and a snapshot that both exits read.

A name means one instrument, whoever asks for it: what `/metrics` needs, since there a name can have one type only.
"""

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from threading import Lock
from time import time_ns
from typing import Generic, Literal, Protocol, TypeVar

from instrumentation.encode.family import Attributes, Family, NumberPoint, Point, Scalar
from instrumentation.signals.cell import (
    CounterCell,
    GaugeCell,
    HistogramCell,
    LockedCounterCell,
    LockedHistogramCell,
    LockedUpDownCounterCell,
    UpDownCounterCell,
    unlocked_is_safe,
)
from instrumentation.signals.series import OVERFLOW_ATTRIBUTE, SeriesKey, clean, series_key

MAX_SERIES = 2000
"""Per instrument, the overflow series included. Source: /docs/specs/otel/metrics/sdk/#cardinality-limits"""
MAX_INSTRUMENTS = 2000
"""Per store; further instruments work but reach no exit."""
DEFAULT_BOUNDARIES = (
    0.0,
    5.0,
    10.0,
    25.0,
    50.0,
    75.0,
    100.0,
    250.0,
    500.0,
    750.0,
    1000.0,
    2500.0,
    5000.0,
    7500.0,
    10000.0,
)
"""Source: /docs/specs/otel/metrics/sdk/#explicit-bucket-histogram-aggregation"""
KIT_SCOPE = "clew"

OVERFLOW: Attributes = {OVERFLOW_ATTRIBUTE: True}
NO_ATTRIBUTES: Attributes = {}

ObservableKind = Literal["counter", "up_down_counter", "gauge"]
Observations = Iterable[tuple[float, Mapping[str, Scalar]]]
Warn = Callable[[str], None]


class _Cell(Protocol):
    def point(self) -> Point | None: ...

    def forget_parent(self) -> None: ...


CellT = TypeVar("CellT", bound=_Cell)


class Instrument(Generic[CellT]):
    """An instrument and its cells; the aliases below say of which kind.

    Attributes:
        identity: Name, kind, unit, description and scope, without points.
        overflowed: How many look-ups found no room and got the overflow series.
    """

    __slots__ = ("_cells", "_lock", "_new_cell", "_warn", "identity", "overflowed")

    def __init__(self, identity: Family, new_cell: Callable[[Attributes], CellT], warn: Warn) -> None:
        self.identity = identity
        self.overflowed = 0
        self._new_cell = new_cell
        self._warn = warn
        self._cells: dict[SeriesKey, CellT] = {}
        self._lock = Lock()

    def cell(self, attributes: Mapping[str, Scalar] = NO_ATTRIBUTES) -> CellT:
        """Return the series of these attributes, the same one each time; the overflow series if there are too many.

        About 1 us for three attributes: code that runs per request keeps the cell.
        """
        try:
            found = self._cells.get(series_key(attributes))
        except Exception:  # unhashable values, names that do not compare, no mapping at all
            found = None
        return self._clean_cell(clean(attributes)) if found is None else found

    def _clean_cell(self, attributes: Attributes) -> CellT:
        key = series_key(attributes)
        with self._lock:
            if key not in self._cells and len(self._cells) >= MAX_SERIES - 1:
                if not self.overflowed:
                    self._warn(overflow_message(self.identity.name))
                self.overflowed += 1
                attributes, key = OVERFLOW, series_key(OVERFLOW)
            if key not in self._cells:
                self._cells[key] = self._new_cell(attributes)
            return self._cells[key]

    def family(self) -> Family:
        """Copy the instrument with all series that have a value."""
        points = [cell.point() for cell in list(self._cells.values())]
        return self.identity._replace(points=[point for point in points if point is not None])

    def forget_parent(self) -> None:
        """Count from nothing in a forked child: what was counted before is its parent's."""
        self._lock = Lock()
        for cell in self._cells.values():
            cell.forget_parent()


class Histogram(Instrument[HistogramCell]):
    """A distribution in buckets.

    Attributes:
        boundaries: Upper bounds of the buckets, inclusive and ascending.
    """

    __slots__ = ("boundaries",)

    def __init__(self, identity: Family, boundaries: Sequence[float], warn: Warn, *, locked: bool) -> None:
        cell_type = LockedHistogramCell if locked else HistogramCell
        self.boundaries = tuple(boundaries)
        super().__init__(identity, lambda attributes: cell_type(attributes, self.boundaries), warn)


Counter = Instrument[CounterCell]
UpDownCounter = Instrument[UpDownCounterCell]
Gauge = Instrument[GaugeCell]


class Observable:
    """An instrument whose values are asked for when a snapshot is taken."""

    __slots__ = ("_callbacks", "_start_unix_ns", "_warn", "identity", "overflowed")

    def __init__(self, identity: Family, warn: Warn) -> None:
        self.identity = identity
        self.overflowed = 0
        self._callbacks: list[Callable[[], Observations]] = []
        self._start_unix_ns = 0 if identity.kind == "gauge" else time_ns()
        self._warn = warn

    def add(self, callback: Callable[[], Observations]) -> None:
        """Ask this callback too from now on; an exception of it costs its own values only."""
        self._callbacks.append(callback)

    def remove(self, callback: Callable[[], Observations]) -> None:
        """Ask this callback no longer."""
        if callback in self._callbacks:
            self._callbacks.remove(callback)

    def forget_parent(self) -> None:
        """Begin in a forked child; the values are the callbacks' own."""
        self._start_unix_ns = time_ns() if self._start_unix_ns else 0

    def family(self) -> Family:
        """Ask all callbacks; of two values for the same attributes the later one stands."""
        points: dict[SeriesKey, NumberPoint] = {}
        for callback in list(self._callbacks):
            try:
                for value, attributes in callback():
                    self._put(points, value, clean(attributes))
            except Exception as error:
                self._warn(f"the callback of metric {self.identity.name!r} failed: {error!r}")
        return self.identity._replace(points=list(points.values()))

    def _put(self, points: dict[SeriesKey, NumberPoint], value: float, attributes: Attributes) -> None:
        key = series_key(attributes)
        if key not in points and len(points) >= MAX_SERIES - 1:
            if not self.overflowed:
                self._warn(overflow_message(self.identity.name))
            self.overflowed += 1
            attributes, key = OVERFLOW, series_key(OVERFLOW)
            value += points[key].value if key in points and self.identity.kind != "gauge" else 0
        if math.isfinite(value):
            points[key] = NumberPoint(attributes, self._start_unix_ns, value)


_Registered = Histogram | Counter | UpDownCounter | Gauge | Observable


def overflow_message(name: str) -> str:
    """Say that a metric has no room for further series."""
    return f"metric {name!r} has {MAX_SERIES} series, the most: further ones add up in one, {OVERFLOW_ATTRIBUTE}"


def to_stderr(message: str) -> None:
    """Say it on stderr: metrics must not log through the logging they are part of."""
    try:
        sys.stderr.write(f"clew: {message}\n")
    except Exception:
        return  # closed or full: nowhere is left to say it


def _nothing() -> None:
    return


RegisteredT = TypeVar("RegisteredT", Histogram, Counter, UpDownCounter, Gauge, Observable)


class MetricStore:
    """All instruments of a process, by name; names differ by more than case.

    Asking twice for a name gives the same instrument. If kind, unit or boundaries differ, that is said once, and the
    first definition stands; an instrument of another kind then works for its caller but reaches no exit.

    Args:
        locked: Whether cells take a lock; by default where the interpreter needs it.
        warn: Takes a message for people; each different message once.

    Attributes:
        settle: Brings observations that are still to be made; called before a snapshot.
    """

    def __init__(self, *, locked: bool | None = None, warn: Warn = to_stderr) -> None:
        self._locked = not unlocked_is_safe() if locked is None else locked
        self._instruments: dict[str, _Registered] = {}
        self._lock = Lock()
        self._said: set[str] = set()
        self._say = warn
        self.settle: Callable[[], object] = _nothing

    def histogram(
        self,
        name: str,
        *,
        unit: str = "",
        description: str = "",
        boundaries: Sequence[float] | None = None,
        scope: str = KIT_SCOPE,
        scope_version: str = "",
    ) -> Histogram:
        """Return the histogram of this name; unsorted or non-finite boundaries give way to the default ones."""
        bounds = self._checked(name, boundaries)
        identity = Family(name, "histogram", unit, description, scope, scope_version)
        found = self._register(identity, Histogram(identity, bounds, self.warn, locked=self._locked))
        if found.boundaries != bounds:
            self.warn(f"metric {name!r} was defined before with other boundaries; those stand")
        return found

    def counter(
        self, name: str, *, unit: str = "", description: str = "", scope: str = KIT_SCOPE, scope_version: str = ""
    ) -> Counter:
        """Return the monotonic counter of this name."""
        identity = Family(name, "counter", unit, description, scope, scope_version)
        return self._register(
            identity, Counter(identity, LockedCounterCell if self._locked else CounterCell, self.warn)
        )

    def up_down_counter(
        self, name: str, *, unit: str = "", description: str = "", scope: str = KIT_SCOPE, scope_version: str = ""
    ) -> UpDownCounter:
        """Return the sum of this name, which may fall."""
        identity = Family(name, "up_down_counter", unit, description, scope, scope_version)
        cell_type = LockedUpDownCounterCell if self._locked else UpDownCounterCell
        return self._register(identity, UpDownCounter(identity, cell_type, self.warn))

    def gauge(
        self, name: str, *, unit: str = "", description: str = "", scope: str = KIT_SCOPE, scope_version: str = ""
    ) -> Gauge:
        """Return the last-value instrument of this name."""
        identity = Family(name, "gauge", unit, description, scope, scope_version)
        return self._register(identity, Gauge(identity, GaugeCell, self.warn))

    def observable(
        self,
        name: str,
        *,
        kind: ObservableKind,
        callback: Callable[[], Observations],
        unit: str = "",
        description: str = "",
        scope: str = KIT_SCOPE,
        scope_version: str = "",
    ) -> Observable:
        """Return the observable instrument of this name, which asks this callback too at each snapshot.

        The callback returns values and their attributes, quickly, in the thread that takes the snapshot.
        """
        identity = Family(name, kind, unit, description, scope, scope_version)
        found = self._register(identity, Observable(identity, self.warn))
        found.add(callback)
        return found

    def snapshot(self) -> list[Family]:
        """Copy all instruments that have a series."""
        self.settle()
        families = [instrument.family() for instrument in list(self._instruments.values())]
        return [family for family in families if family.points]

    def overflowed(self) -> int:
        """Return how many look-ups of all instruments got an overflow series."""
        return sum(instrument.overflowed for instrument in list(self._instruments.values()))

    def forget_parent(self) -> None:
        """Count from nothing in a forked child, with a lock of its own. A gauge keeps its value, which is no count."""
        self._lock = Lock()
        for instrument in self._instruments.values():
            instrument.forget_parent()

    def _register(self, identity: Family, fresh: RegisteredT) -> RegisteredT:
        with self._lock:
            found = self._instruments.get(identity.name.lower())
            if found is None and len(self._instruments) < MAX_INSTRUMENTS:
                found = self._instruments[identity.name.lower()] = fresh
        if found is None:
            self.warn(f"more than {MAX_INSTRUMENTS} metrics: further ones are not exported")
            return fresh
        if isinstance(found, type(fresh)) and found.identity.kind == identity.kind:
            if found.identity.unit != identity.unit:
                self.warn(f"metric {identity.name!r} was defined before with unit {found.identity.unit!r}; that stands")
            return found
        self.warn(f"metric {identity.name!r} exists as {found.identity.kind}: not exported as {identity.kind}")
        return fresh

    def _checked(self, name: str, boundaries: Sequence[float] | None) -> tuple[float, ...]:
        if boundaries is None:
            return DEFAULT_BOUNDARIES
        bounds = tuple(boundaries)
        if all(map(math.isfinite, bounds)) and all(low < high for low, high in pairwise(bounds)):
            return bounds
        self.warn(f"boundaries of metric {name!r} are not finite and ascending: the default ones are used")
        return DEFAULT_BOUNDARIES

    def warn(self, message: str) -> None:
        """Tell people of something that is wrong; the same message once."""
        if message not in self._said and len(self._said) < MAX_INSTRUMENTS:
            self._said.add(message)
            self._say(message)
