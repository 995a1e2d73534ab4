"""Log record processors of the SDK, shown each record that leaves."""

from collections.abc import Sequence

from opentelemetry.sdk._logs import LogRecordProcessor

from instrumentation.guard import Guard
from instrumentation.sdk.readable import CurrentResource, readable_log
from instrumentation.signals.sink import Encode, Parts, Sink


class LogTap:
    """A sink that hands records on and shows each to the processors, in their order.

    Args:
        inner: Where records go.
        processors: Shown each record; what they change reaches the processors after them, and not the inner sink.
        resource: Of the process.
        guard: Told of one that raises.
    """

    def __init__(
        self, inner: Sink, processors: Sequence[LogRecordProcessor], resource: CurrentResource, guard: Guard
    ) -> None:
        self._inner = inner
        self._processors = processors
        self._resource = resource
        self._guard = guard

    def defer(self, encode: Encode, parts: Parts, size: int) -> None:
        """Accept a record that is encoded here, since its readers want it now."""
        del size
        self.add(*encode(parts))

    def add(self, scope: bytes, record: bytes) -> None:
        """Accept a log record."""
        self._inner.add(scope, record)
        try:
            readable = readable_log(scope, record, self._resource())
            for processor in self._processors:
                processor.on_emit(readable)
        except Exception as error:
            self._guard.caught("log record processors", error)
