"""Plug what the service brings of the SDK into the kit: samplers, processors, exporters and metric readers.

Records are made readable only where something is registered to read them: without it none of this is imported.
"""

from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import Any, cast

from opentelemetry.sdk._logs import LogRecordProcessor
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.sampling import Sampler

from instrumentation.encode.family import Family
from instrumentation.guard import Guard
from instrumentation.sdk import metrics, named
from instrumentation.sdk.logs import LogTap
from instrumentation.sdk.readable import CurrentResource
from instrumentation.sdk.spans import SpanObservers, SpanTap
from instrumentation.settings import NATIVE_EXPORTERS, Settings
from instrumentation.signals.sink import Sink
from instrumentation.signals.span import StartSpan


class Plugs:
    """What is plugged in.

    Args:
        settings: Name exporters, and hold what the service has registered in code.
        resource: Returns the process' resource.
        collect: Takes a snapshot of the metrics.
        guard: Told of what raises.
        warn: Takes a message about an exporter that is left out.
    """

    def __init__(
        self,
        settings: Settings,
        resource: Callable[[], Mapping[str, Any]],
        collect: Callable[[], Iterable[Family]],
        guard: Guard,
        warn: named.Warn,
    ) -> None:
        self._guard = guard
        self._resource = CurrentResource(resource)
        self._spans = [
            *cast("tuple[SpanProcessor, ...]", settings.span_processors),
            *named.span_processors(_foreign(settings.traces.exporters), warn),
        ]
        self._logs = [
            *cast("tuple[LogRecordProcessor, ...]", settings.log_record_processors),
            *named.log_record_processors(_foreign(settings.logs.exporters), warn),
        ]
        interval = settings.metric_interval_seconds
        self._readers = [
            *cast("tuple[MetricReader, ...]", settings.metric_readers),
            *named.metric_readers(_foreign(settings.metrics.exporters), interval, warn),
        ]
        sampler = cast("Sampler | None", settings.otel_sampler)
        self._observers = SpanObservers(sampler, self._spans, self._resource, guard)
        self._starts = bool(sampler or self._spans)
        for reader in self._readers:
            metrics.feed(reader, collect, self._resource)

    def start_span(self) -> StartSpan | None:
        """Return what starts spans instead of the kit; None if nobody listens."""
        return self._observers.start if self._starts else None

    def traces(self, inner: Sink) -> Sink:
        """Put the span processors in front of a sink."""
        return SpanTap(inner, self._observers, self._guard) if self._spans else inner

    def logs(self, inner: Sink) -> Sink:
        """Put the log record processors in front of a sink."""
        return LogTap(inner, self._logs, self._resource, self._guard) if self._logs else inner

    @property
    def takes_logs(self) -> bool:
        """Whether log records have a reader here."""
        return bool(self._logs)

    def flush(self, timeout_seconds: float) -> bool:
        """Flush processors and readers; return whether all were done in time."""
        deadline = monotonic() + timeout_seconds
        flushed = [self._flush(part, deadline) for part in (*self._spans, *self._logs, *self._readers)]
        return all(flushed)

    def shutdown(self) -> None:
        """Shut processors and readers down; each has flushed before."""
        parts: tuple[Any, ...] = (*self._spans, *self._logs, *self._readers)
        for part in parts:
            try:
                part.shutdown()
            except Exception as error:
                self._guard.caught(f"shutdown of {type(part).__name__}", error)

    def _flush(self, part: SpanProcessor | LogRecordProcessor | MetricReader, deadline: float) -> bool:
        try:
            left = max(1, round((deadline - monotonic()) * 1000))
            return part.force_flush(left) is not False
        except Exception as error:
            self._guard.caught(f"flush of {type(part).__name__}", error)
            return False


def _foreign(names: Iterable[str]) -> list[str]:
    return [name for name in names if name not in NATIVE_EXPORTERS]
