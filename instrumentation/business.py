"""Business metrics: declared with all their label values, so that no customer can add a series."""

from collections.abc import Iterable, Mapping
from itertools import product
from math import prod

from opentelemetry import metrics

from instrumentation import semconv
from instrumentation.guard import Guard

MAX_DECLARED_SERIES = 500
"""Per metric; a declaration that allows more is refused."""

Labels = Mapping[str, str]
Declaration = Mapping[str, Iterable[str]]
_NO_LABELS: Labels = {}


class UndeclaredLabelError(ValueError):
    """A measurement has a label, or a label's value, that its metric does not declare."""


class BusinessMetrics:
    """The business metrics of one service.

    A measurement whose labels are not those declared raises while pytest runs a test; otherwise it is dropped and
    counted by `clew.business.undeclared`.

    Args:
        scope: Name of the instrumentation scope, such as the service's package.
    """

    def __init__(self, scope: str) -> None:
        self._meter = metrics.get_meter(scope)
        self._undeclared = self._meter.create_counter(
            semconv.BUSINESS_UNDECLARED,
            unit="{measurement}",
            description="Measurements dropped because a label or its value was not declared.",
        )

    def counter(self, name: str, *, unit: str, description: str, labels: Declaration | None = None) -> "Counter":
        """Declare a sum that only grows."""
        instrument = self._meter.create_counter(name, unit, description)
        return Counter(instrument, _Declared(name, labels or {}, self._undeclared))

    def gauge(self, name: str, *, unit: str, description: str, labels: Declaration | None = None) -> "Gauge":
        """Declare a last value."""
        instrument = self._meter.create_gauge(name, unit, description)
        return Gauge(instrument, _Declared(name, labels or {}, self._undeclared))

    def histogram(
        self,
        name: str,
        *,
        unit: str,
        description: str,
        labels: Declaration | None = None,
        boundaries: Iterable[float] | None = None,
    ) -> "Histogram":
        """Declare a distribution; `boundaries` are upper bounds of its buckets."""
        bounds = None if boundaries is None else tuple(boundaries)
        instrument = self._meter.create_histogram(name, unit, description, explicit_bucket_boundaries_advisory=bounds)
        return Histogram(instrument, _Declared(name, labels or {}, self._undeclared))


class _Declared:
    """The labels that a metric may have.

    Raises:
        ValueError: they allow no series, or more than MAX_DECLARED_SERIES.
    """

    __slots__ = ("_allowed", "_counter", "_name", "_names")

    def __init__(self, name: str, labels: Declaration, undeclared: metrics.Counter) -> None:
        values = {label: tuple(dict.fromkeys(allowed)) for label, allowed in labels.items()}
        series = prod(map(len, values.values()))
        if not 0 < series <= MAX_DECLARED_SERIES:
            raise ValueError(f"{name}: labels allow {series} series, 1 to {MAX_DECLARED_SERIES} are possible")
        self._name = name
        self._names = tuple(values)
        self._allowed = frozenset(product(*values.values()))
        self._counter = undeclared

    def allows(self, labels: Labels) -> bool:
        """Tell whether a measurement may be taken; count it if not.

        Raises:
            UndeclaredLabelError: it may not, under test alone.
        """
        if self._has(labels):
            return True
        self._counter.add(1, {semconv.BUSINESS_METRIC: self._name})
        Guard().caught("business metric", UndeclaredLabelError(f"{self._name}: {dict(labels)!r} is not declared"))
        return False

    def _has(self, labels: Labels) -> bool:
        try:
            return len(labels) == len(self._names) and tuple(map(labels.get, self._names)) in self._allowed
        except Exception:  # no mapping, or values that do not compare
            return False


class Counter:
    """A declared sum that only grows."""

    __slots__ = ("_declared", "_instrument")

    def __init__(self, instrument: metrics.Counter, declared: _Declared) -> None:
        self._instrument, self._declared = instrument, declared

    def add(self, amount: float, labels: Labels = _NO_LABELS) -> None:
        """Add to the series of these labels."""
        if self._declared.allows(labels):
            self._instrument.add(amount, dict(labels))


class Gauge:
    """A declared last value."""

    __slots__ = ("_declared", "_instrument")

    def __init__(self, instrument: metrics._Gauge, declared: _Declared) -> None:  # pyright: ignore[reportPrivateUsage] the API's only name for it
        self._instrument, self._declared = instrument, declared

    def set(self, value: float, labels: Labels = _NO_LABELS) -> None:
        """Replace the value of the series of these labels."""
        if self._declared.allows(labels):
            self._instrument.set(value, dict(labels))


class Histogram:
    """A declared distribution."""

    __slots__ = ("_declared", "_instrument")

    def __init__(self, instrument: metrics.Histogram, declared: _Declared) -> None:
        self._instrument, self._declared = instrument, declared

    def record(self, value: float, labels: Labels = _NO_LABELS) -> None:
        """Observe a value in the series of these labels."""
        if self._declared.allows(labels):
            self._instrument.record(value, dict(labels))
