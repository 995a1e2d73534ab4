"""Build what carries records out of the process: queues, lanes, exporters, the flusher and the line writer."""

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any, NamedTuple

from instrumentation import resource
from instrumentation.diagnostics import Diagnostics
from instrumentation.encode import metrics as encode_metrics
from instrumentation.encode import otlp
from instrumentation.encode.family import Family
from instrumentation.export.otlp_http import OtlpHttpExporter
from instrumentation.pipeline import ledger_metrics
from instrumentation.pipeline.flusher import Flusher
from instrumentation.pipeline.intake import Intake
from instrumentation.pipeline.lane import Lane, Route
from instrumentation.pipeline.ledger import Account, Books, Ledger
from instrumentation.pipeline.lines import LineWriter
from instrumentation.pipeline.metric_lane import MetricLane
from instrumentation.pipeline.queue import Budget, RecordQueue
from instrumentation.pipeline.record_lane import RecordLane
from instrumentation.settings import GRPC, Settings, SignalSettings
from instrumentation.signals.delivery import Exporter
from instrumentation.signals.metric import KIT_SCOPE, MetricStore
from instrumentation.signals.sink import Encode, Parts, Sink

if TYPE_CHECKING:
    from instrumentation.export.client_registry import ClientRegistry

OTLP = "otlp"
VERSION = resource.distribution_version("clew") or "unknown"


class Identity:
    """The process' resource, found again in a forked child.

    Args:
        settings: What was configured of it.
        detected: What detectors have found.
    """

    def __init__(self, settings: Settings, detected: Mapping[str, Any] | None = None) -> None:
        self._settings = settings
        self._detected = detected or {}
        self._pid = -1
        self._attributes: Mapping[str, str | int] = {}
        self._encoded = b""

    def attributes(self) -> Mapping[str, str | int]:
        """Return the resource's attributes."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._attributes = resource.attributes(self._settings, self._detected)
            self._encoded = otlp.resource(self._attributes)
        return self._attributes

    def resource(self) -> bytes:
        """Return the encoded resource."""
        self.attributes()
        return self._encoded

    def request(self, records: Mapping[bytes, Sequence[bytes]]) -> bytes:
        """Encode an export request of these records."""
        return otlp.export_request(self.resource(), records)


class Discard:
    """Takes records of a signal that is not exported."""

    def add(self, scope: bytes, record: bytes) -> None:
        """Forget a record."""

    def defer(self, encode: Encode, parts: Parts, size: int) -> None:
        """Forget a record."""


class Orphans:
    """Takes spans that a forked child ends although its parent started them: the parent ends and sends its own copy."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def add(self, scope: bytes, record: bytes) -> None:
        """Count a span as dropped `fork`."""
        self._account.drop("fork")

    def defer(self, encode: Encode, parts: Parts, size: int) -> None:
        """Count a span as dropped `fork`."""
        self._account.drop("fork")


class Outlets(NamedTuple):
    """What stands in for the network and stdout, in tests.

    Attributes:
        exporter: Returns the exporter of a signal: `traces`, `logs` or `metrics`.
        write: Takes bytes of lines, and returns how many it took; None: all.
    """

    exporter: Callable[[str], Exporter]
    write: Callable[[bytes], int | None]


class Exports:
    """The way out of the process.

    Args:
        settings: How each signal leaves.
        store: Whose metrics leave.
        identity: The resource of all.
        diagnostics: Where failures are told.
        outlets: Instead of the network and stdout.

    Attributes:
        store: Whose metrics leave.
        clients: prometheus_client's metrics; None while the service does not use it.
        traces: Takes spans.
        logs: Takes log records; None if they are not exported.
        orphans: Takes spans of a forked child that its parent started.
        lines: Takes log lines for stdout.
        intakes: Take what becomes a record of several, by whether a span is one of them.
    """

    def __init__(
        self,
        settings: Settings,
        store: MetricStore,
        identity: Identity,
        diagnostics: Diagnostics,
        outlets: Outlets | None = None,
    ) -> None:
        self._outlets = outlets
        self.store = store
        self.clients: ClientRegistry | None = None
        self._identity = identity
        self._diagnostics = diagnostics
        self._has_reported = False
        self._spool_directory = None if settings.spool_dir is None else Path(settings.spool_dir)
        self._spool_bytes = settings.spool_max_bytes // 2  # spans and log records have a half each
        self._ledger = Ledger()
        self._ledger.after_fork(store.forget_parent)
        ledger_metrics.register(store, self._ledger)
        ledger_metrics.register_overflow(store)
        self._budget = Budget(settings.max_buffer_bytes)
        self._lanes: list[Lane] = []
        traces = self._record_lane("traces", settings.traces)
        self.traces: Sink = Discard() if traces is None else traces
        self.orphans: Sink = Discard() if traces is None else Orphans(self._ledger.account("traces"))
        self.logs = self._record_lane("logs", settings.logs)
        if OTLP in settings.metrics.exporters:
            route = self._route("metrics", settings.metrics)
            self._lanes.append(MetricLane(route, self._collect, settings.metric_interval_seconds))
        self.lines = LineWriter(self._ledger, None if outlets is None else outlets.write)
        self.intakes = self._take_in(traces, self.logs)
        self.lines.gather = store.settle = self._gather
        self._flusher = Flusher(self._lanes, self._budget, self._ledger, diagnostics, tuple(self.intakes.values()))
        if OTLP in settings.metrics.exporters or self._spool_directory is not None:
            self._flusher.start()  # there is something to send before the first record

    def flush(self, timeout_seconds: float, *, leaving: bool = False) -> bool:
        """Send everything and write every line; return whether that was done in time."""
        deadline = monotonic() + timeout_seconds
        written = self.lines.flush(timeout_seconds)
        return self._flusher.force_flush(max(0.0, deadline - monotonic()), leaving=leaving) and written

    def shutdown(self, timeout_seconds: float) -> bool:
        """Flush for the last time; what comes later is dropped and counted. One deadline for everything."""
        deadline = monotonic() + timeout_seconds
        sent = self._flusher.shutdown(timeout_seconds)
        self._gather()  # what came too late to be sent is counted, its lines are written
        return self.lines.shutdown(max(0.1, deadline - monotonic())) and sent

    def abandon(self) -> None:
        """Wait for nothing more: count what is left as dropped `shutdown`."""
        self._flusher.abandon()
        self.lines.shutdown(0.0)

    def after_fork(self, begin_anew: Callable[[], None]) -> None:
        """Call `begin_anew` in each forked child, after the pipeline has begun anew."""
        self._ledger.after_fork(begin_anew)

    def report_losses(self) -> None:
        """Write one line on what became of all records, if some were lost or are left; but once."""
        if not self._has_reported and (text := self.books().losses()):
            self._has_reported = True
            self._diagnostics.always(f"at exit: {text}")

    def books(self) -> Books:
        """Return what became of every record so far."""
        return self._ledger.snapshot()

    def _take_in(self, traces: RecordQueue | None, logs: RecordQueue | None) -> dict[bool, Intake]:
        if logs is None:
            return {}
        queues: dict[bool, tuple[RecordQueue, ...]] = {False: (logs, self.lines.queue)}
        if traces is not None:
            queues[True] = (traces, logs, self.lines.queue)
        return {
            with_span: Intake(self._ledger, self._budget, each, self.lines.wake) for with_span, each in queues.items()
        }

    def _gather(self) -> bool:
        """Make records of what waits in the intakes; return whether there was any."""
        return any([intake.make() for intake in self.intakes.values()])  # noqa: C419 each of them

    def _record_lane(self, signal: str, settings: SignalSettings) -> RecordQueue | None:
        if OTLP not in settings.exporters:
            return None
        queue = RecordQueue(self._ledger.account(signal), self._budget, settings.queue_records)
        route = self._route(signal, settings)
        if self._spool_directory is None:
            self._lanes.append(RecordLane(route, queue))
        else:
            # Imported here: few keep records in files.
            from instrumentation.pipeline.spool import Spool  # noqa: PLC0415
            from instrumentation.pipeline.spool_lane import SpoolLane  # noqa: PLC0415

            spool = Spool(self._spool_directory, signal, self._spool_bytes, self._diagnostics.line)
            self._lanes.append(SpoolLane(route, queue, spool, self._identity.resource, otlp.export_request))
        return queue

    def _route(self, signal: str, settings: SignalSettings) -> Route:
        outlets = self._outlets
        exporter = _exporter(signal, settings, self._diagnostics) if outlets is None else outlets.exporter(signal)
        return Route(
            signal, self._ledger.account(signal), exporter, self._identity.request, settings, self._diagnostics
        )

    def families(self) -> list[Family]:
        """Take a snapshot of all metrics, those of Prometheus clients too."""
        ours = self.store.snapshot()
        return ours if self.clients is None else [*ours, *self.clients.families(ours, self.store.warn)]

    def show_clients(self) -> None:
        """Show the metrics of prometheus_client from now on, which the service has imported."""
        if self.clients is None:
            from instrumentation.export.client_registry import ClientRegistry  # noqa: PLC0415 57 ms with all it needs

            self.clients = ClientRegistry()

    def _collect(self) -> tuple[Mapping[bytes, Sequence[bytes]], int]:
        families = self.families()
        groups: dict[bytes, list[bytes]] = {}
        points = 0
        for (name, version), record, count in encode_metrics.encode(families, time_ns()):
            groups.setdefault(_scope(name, version), []).append(record)
            points += count
        return groups, points


def _exporter(signal: str, settings: SignalSettings, diagnostics: Diagnostics) -> Exporter:
    """Return the exporter of the signal's protocol; that of HTTP if grpcio is missing, with a line about it."""
    if settings.protocol != GRPC:
        return OtlpHttpExporter(settings, VERSION)
    try:
        exporter: Exporter = importlib.import_module("instrumentation.export.otlp_grpc").OtlpGrpcExporter(
            signal, settings, VERSION
        )
    except ImportError as error:
        settings = settings.over_http(signal)
        diagnostics.line(
            "otlp-grpc",
            f'OTLP by gRPC needs grpcio ({error}): pip install "clew[otlp-grpc]"; '
            f"using http/protobuf, for {signal} to {settings.endpoint}",
        )
        return OtlpHttpExporter(settings, VERSION)
    return exporter


def _scope(name: str, version: str) -> bytes:
    return otlp.scope(name, version or (VERSION if name == KIT_SCOPE else None))
