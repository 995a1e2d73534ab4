"""The service's own metrics, which it keeps with prometheus_client: on the page beside ours, and pushed.

Imported once the service has imported prometheus_client, which takes half as long as the kit as a whole. Until then
there is nothing of it to show but what it measures of the process, as the kit does itself.
"""

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import cast

from prometheus_client import REGISTRY, CollectorRegistry, Metric, exposition
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as ClientExemplar
from typing_extensions import override

from instrumentation.encode import openmetrics
from instrumentation.encode.family import Exemplar, Family
from instrumentation.export.foreign import family_of, sanitised
from instrumentation.signals.metric import MetricStore, Warn

_rendering = threading.local()
_client_openmetrics = cast("Callable[[object], bytes]", openmetrics_exposition.generate_latest)  # untyped there


class _Registries:
    """Keeps the process from forking while we read a prometheus_client registry, whose locks no child could open.

    A fork waits half a second at most; a child of a longer reading must leave the registry alone.

    Attributes:
        lock: Held while a registry is read; reentrant, because a collector of the user's may fork.
        usable: Whether registries can be read in this process.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.usable = True
        self._is_held = False
        os.register_at_fork(before=self._before, after_in_parent=self._in_parent, after_in_child=self._in_child)

    def _before(self) -> None:
        self._is_held = self.lock.acquire(timeout=0.5)

    def _in_parent(self) -> None:
        if self._is_held:
            self.lock.release()

    def _in_child(self) -> None:
        self.usable = self.usable and self._is_held
        self.lock = threading.RLock()


_registries = _Registries()


class StoreCollector(Collector):
    """Shows the store's metrics to whoever exposes a prometheus_client registry; silent while we render."""

    def __init__(self, store: MetricStore) -> None:
        self._store = store

    def describe(self) -> list[Metric]:
        """Claim no names: they come and go with the instruments."""
        return []

    @override
    def collect(self) -> Iterator[Metric]:
        if not getattr(_rendering, "active", False):
            yield from map(_client_metric, openmetrics.translate(self._store.snapshot()))


def register(store: MetricStore, registry: CollectorRegistry = REGISTRY) -> Callable[[], None]:
    """Put the store into a registry; the returned function takes it out again."""
    collector = StoreCollector(store)
    registry.register(collector)

    def undo() -> None:
        try:
            registry.unregister(collector)
        except KeyError:
            return  # taken out already

    return undo


class ClientRegistry:
    """The metrics of a registry of prometheus_client.

    Args:
        registry: By default that of the process.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._registry = registry

    def families(self, ours: Iterable[Family], warn: Warn) -> list[Family]:
        """Return the metrics as families of the kit, so that they are pushed too; none whose name one of ours has."""
        taken = {openmetrics.family_name(family) for family in ours}
        return [family for metric in self._metrics(taken, warn) for family in family_of(metric)]

    def text(self, taken: Collection[str], warn: Warn, *, wants_openmetrics: bool) -> bytes:
        """Write the metrics whose names are not taken; see `instrumentation.export.scrape.Clients`."""
        return b"".join([_text(metric, wants_openmetrics, warn) for metric in self._metrics(taken, warn)])

    def _metrics(self, ours: Collection[str], warn: Warn) -> list[Metric]:
        taken = {*ours, "target"}
        found: list[Metric] = []
        if not _registries.usable:
            warn("prometheus_client's registry was in use when this process was forked: its metrics are left out")
            return found
        _rendering.active = True
        try:
            _registries.lock.acquire()
            for metric in self._registry.collect():
                if metric.name not in taken:
                    taken.add(metric.name)
                    found.append(sanitised(metric))
        except Exception as error:  # a collector of the user's: what came before it is still shown
            warn(f"a prometheus_client collector failed: {error!r}")
        finally:
            _registries.lock.release()
            _rendering.active = False
        return found


class _One:
    """A registry of one metric: alone, so that one that cannot be written costs no other."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> list[Metric]:
        return [self._metric]


def _text(metric: Metric, wants_openmetrics: bool, warn: Warn) -> bytes:
    try:
        if wants_openmetrics:
            return _client_openmetrics(_One(metric)).removesuffix(openmetrics.END.encode())
        return exposition.generate_latest(_One(metric))  # pyright: ignore[reportArgumentType]  # needs collect() only
    except Exception as error:
        warn(f"prometheus_client metric {metric.name!r} cannot be written: {error!r}")
        return b""


def _client_metric(family: openmetrics.PrometheusFamily) -> Metric:
    metric = Metric(family.name, family.help, family.type, family.unit)
    for sample in family.samples:
        exemplar = _client_exemplar(sample.exemplar) if sample.exemplar else None
        metric.add_sample(family.name + sample.suffix, dict(sample.labels), sample.value, exemplar=exemplar)
    return metric


def _client_exemplar(exemplar: Exemplar) -> ClientExemplar:
    value, time_unix_ns, trace_id, span_id = exemplar
    return ClientExemplar({"trace_id": trace_id.hex(), "span_id": span_id.hex()}, value, time_unix_ns / 1e9)
