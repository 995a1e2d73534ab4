"""OpenTelemetry's metrics API over the store, so that its users and contrib instrumentations feed the same cells.

One provider is installed for good, because the API lets the global be set once; the store behind it may be swapped.
"""

import math
import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from threading import Lock
from typing import Generic, Protocol, TypeVar, cast

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, CallbackT, Observation
from opentelemetry.util.types import Attributes
from typing_extensions import override

from instrumentation.encode.family import Scalar
from instrumentation.signals import metric
from instrumentation.signals.metric import MetricStore, ObservableKind
from instrumentation.signals.span import Span

InstrumentT = TypeVar("InstrumentT")
_NO_ATTRIBUTES: Mapping[str, Scalar] = {}


class StoreRef(Protocol):
    """Holds the store that metrics go to now; None: nowhere."""

    store: MetricStore | None


class _Bound(Generic[InstrumentT]):
    """An instrument of whichever store is current."""

    def __init__(self, ref: StoreRef, create: Callable[[MetricStore], InstrumentT]) -> None:
        self._ref = ref
        self._create = create
        self._bound: tuple[MetricStore, InstrumentT] | None = None

    def current(self) -> InstrumentT | None:
        """Return the instrument in the current store; None if there is no store."""
        store, bound = self._ref.store, self._bound
        if store is None:
            return None
        if bound is None or bound[0] is not store:
            bound = self._bound = (store, self._create(store))
        return bound[1]


def _cell_attributes(attributes: Attributes) -> Mapping[str, Scalar]:
    """Hand the attributes on: `Instrument.cell` cleans whatever values they have."""
    return _NO_ATTRIBUTES if attributes is None else cast("Mapping[str, Scalar]", attributes)


def _is_finite(amount: object) -> bool:
    """Tell whether an amount can be counted: a number of which a float can be made, neither NaN nor infinite."""
    try:
        return isinstance(amount, (int, float)) and math.isfinite(amount)
    except OverflowError:
        return False


def _sampled_ids(context: Context | None) -> tuple[bytes, bytes]:
    """Return trace and span ID of the current span if it is sampled; else two empty ones."""
    span = trace.get_current_span(context)
    if isinstance(span, Span):
        return (span.trace_id, span.span_id) if span.sampled else (b"", b"")
    found = span.get_span_context()
    if not found.is_valid or not found.trace_flags.sampled:
        return b"", b""
    return found.trace_id.to_bytes(16, "big"), found.span_id.to_bytes(8, "big")


class StoreCounter(metrics.Counter):
    """Counter of the API."""

    def __init__(self, bound: _Bound[metric.Counter]) -> None:
        self._bound = bound

    @override
    def add(self, amount: float, attributes: Attributes = None, context: Context | None = None) -> None:
        instrument = self._bound.current()
        if instrument is not None and _is_finite(amount):
            instrument.cell(_cell_attributes(attributes)).add(amount, *_sampled_ids(context))


class StoreUpDownCounter(metrics.UpDownCounter):
    """UpDownCounter of the API."""

    def __init__(self, bound: _Bound[metric.UpDownCounter]) -> None:
        self._bound = bound

    @override
    def add(self, amount: float, attributes: Attributes = None, context: Context | None = None) -> None:
        instrument = self._bound.current()
        if instrument is not None and _is_finite(amount):
            instrument.cell(_cell_attributes(attributes)).add(amount)


class StoreHistogram(metrics.Histogram):
    """Histogram of the API; a negative amount is ignored, as the API forbids it."""

    def __init__(self, bound: _Bound[metric.Histogram]) -> None:
        self._bound = bound

    @override
    def record(self, amount: float, attributes: Attributes = None, context: Context | None = None) -> None:
        instrument = self._bound.current()
        if instrument is not None and _is_finite(amount) and amount >= 0:
            instrument.cell(_cell_attributes(attributes)).observe(amount, *_sampled_ids(context))


class StoreGauge(metrics._Gauge):  # noqa: SLF001  # the API's only name for its synchronous gauge
    """Gauge of the API."""

    def __init__(self, bound: _Bound[metric.Gauge]) -> None:
        self._bound = bound

    @override
    def set(self, amount: float, attributes: Attributes = None, context: Context | None = None) -> None:
        instrument = self._bound.current()
        if instrument is not None and _is_finite(amount):
            instrument.cell(_cell_attributes(attributes)).set(amount)


class StoreObservableCounter(metrics.ObservableCounter):
    """ObservableCounter of the API: a mere name for its callbacks."""

    def __init__(self) -> None:
        """Hold nothing: the provider keeps the callbacks."""


class StoreObservableUpDownCounter(metrics.ObservableUpDownCounter):
    """ObservableUpDownCounter of the API: a mere name for its callbacks."""

    def __init__(self) -> None:
        """Hold nothing: the provider keeps the callbacks."""


class StoreObservableGauge(metrics.ObservableGauge):
    """ObservableGauge of the API: a mere name for its callbacks."""

    def __init__(self) -> None:
        """Hold nothing: the provider keeps the callbacks."""


def _observer(callback: CallbackT) -> Callable[[], Iterable[tuple[float, Mapping[str, Scalar]]]]:
    """Adapt a callback of the API, which may be a generator that is sent the options."""
    if isinstance(callback, Generator):
        generator = cast("Generator[Iterable[Observation], CallbackOptions, None]", callback)
        started: list[bool] = []

        def ask() -> Iterable[Observation]:
            if not started:
                started.append(True)
                next(generator)
            return generator.send(CallbackOptions())
    else:

        def ask() -> Iterable[Observation]:
            return callback(CallbackOptions())

    def observe() -> Iterable[tuple[float, Mapping[str, Scalar]]]:
        return [(found.value, _cell_attributes(found.attributes)) for found in ask()]

    return observe


class StoreMeter(metrics.Meter):
    """Meter of the API."""

    def __init__(self, provider: "StoreMeterProvider", name: str, version: str | None, schema_url: str | None) -> None:
        super().__init__(name, version, schema_url)
        self._provider = provider

    def _common(self, unit: str, description: str) -> dict[str, str]:
        return {
            "unit": unit or "",
            "description": description or "",
            "scope": self.name,
            "scope_version": self.version or "",
        }

    def _bind(self, create: Callable[[MetricStore], InstrumentT]) -> _Bound[InstrumentT]:
        bound = _Bound(self._provider.ref, create)
        bound.current()  # now, so that a conflict is told where it is made
        return bound

    @override
    def create_counter(self, name: str, unit: str = "", description: str = "") -> metrics.Counter:
        common = self._common(unit, description)
        return StoreCounter(self._bind(lambda store: store.counter(name, **common)))

    @override
    def create_up_down_counter(self, name: str, unit: str = "", description: str = "") -> metrics.UpDownCounter:
        common = self._common(unit, description)
        return StoreUpDownCounter(self._bind(lambda store: store.up_down_counter(name, **common)))

    @override
    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
    ) -> metrics.Histogram:
        common, boundaries = self._common(unit, description), explicit_bucket_boundaries_advisory
        return StoreHistogram(self._bind(lambda store: store.histogram(name, boundaries=boundaries, **common)))

    @override
    def create_gauge(self, name: str, unit: str = "", description: str = "") -> StoreGauge:
        common = self._common(unit, description)
        return StoreGauge(self._bind(lambda store: store.gauge(name, **common)))

    @override
    def create_observable_counter(
        self, name: str, callbacks: Sequence[CallbackT] | None = None, unit: str = "", description: str = ""
    ) -> metrics.ObservableCounter:
        self._observe(name, "counter", callbacks, self._common(unit, description))
        return StoreObservableCounter()

    @override
    def create_observable_up_down_counter(
        self, name: str, callbacks: Sequence[CallbackT] | None = None, unit: str = "", description: str = ""
    ) -> metrics.ObservableUpDownCounter:
        self._observe(name, "up_down_counter", callbacks, self._common(unit, description))
        return StoreObservableUpDownCounter()

    @override
    def create_observable_gauge(
        self, name: str, callbacks: Sequence[CallbackT] | None = None, unit: str = "", description: str = ""
    ) -> metrics.ObservableGauge:
        self._observe(name, "gauge", callbacks, self._common(unit, description))
        return StoreObservableGauge()

    def _observe(
        self, name: str, kind: ObservableKind, callbacks: Sequence[CallbackT] | None, common: dict[str, str]
    ) -> None:
        for callback in callbacks or ():
            observe = _observer(callback)
            self._provider.keep(
                _Bound(
                    self._provider.ref,
                    lambda store, observe=observe: store.observable(name, kind=kind, callback=observe, **common),
                )
            )


class StoreMeterProvider(metrics.MeterProvider):
    """MeterProvider of the API, to be installed once.

    Args:
        store_ref: Holds the current store. Whoever puts another one there calls `rebind()`.
    """

    def __init__(self, store_ref: StoreRef) -> None:
        self.ref = store_ref
        self._observables: list[_Bound[metric.Observable]] = []
        self._lock = Lock()
        os.register_at_fork(after_in_child=self._new_lock)

    def _new_lock(self) -> None:
        self._lock = Lock()

    @override
    def get_meter(
        self, name: str, version: str | None = None, schema_url: str | None = None, attributes: Attributes = None
    ) -> StoreMeter:
        return StoreMeter(self, name, version, schema_url)

    def keep(self, observable: _Bound[metric.Observable]) -> None:
        """Register an observable now and with every later store."""
        with self._lock:
            self._observables.append(observable)
        observable.current()

    def rebind(self) -> None:
        """Register all observables with the store that is current now; other instruments notice by themselves."""
        with self._lock:
            observables = list(self._observables)
        for observable in observables:
            observable.current()
