"""The three OTLP services: their messages, what of a request is acceptable, how it is written."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from clew_console.store.metric_rows import write_metrics
from clew_console.store.pending import Pending
from clew_console.store.writer import Batch

RETRY_AFTER_SECONDS = 1
"""What a sender is told to wait when the queue is full."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One OTLP service. `admit` takes unusable items out of a request; it returns how many stay and how many went."""

    path: str
    grpc_method: str
    request: type[Message]
    response: type[Message]
    rejected_field: str
    admit: Callable[[Message], tuple[int, int]]
    write: Callable[[Pending, bytes], None]

    def batch(self, request: Message, data: bytes | None) -> tuple[Batch, Message]:
        """Return what to queue for the request, and the response if the queue takes it.

        Args:
            request: Parsed.
            data: The request as it came in protobuf; None when it came as JSON.
        """
        rows, rejected = self.admit(request)
        response = self.response()
        if rejected:
            partial_success = response.partial_success
            setattr(partial_success, self.rejected_field, rejected)
            partial_success.error_message = f"{rejected} spans have no 16 byte trace id and 8 byte span id"
        if data is None or rejected:
            data = request.SerializeToString()
        return Batch(partial(_write, self.write, data), rows, len(data), SIGNALS.index(self), data), response


def _write(write: Callable[[Pending, bytes], None], data: bytes, pending: Pending) -> None:
    write(pending, data)


def admit_traces(request: ExportTraceServiceRequest) -> tuple[int, int]:
    """Take out spans whose ids are missing or of another length."""
    admitted, rejected = 0, 0
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            sound = [span for span in scope_spans.spans if _has_ids(span.trace_id, span.span_id)]
            admitted += len(sound)
            if len(sound) < len(scope_spans.spans):
                rejected += len(scope_spans.spans) - len(sound)
                copies = [Span.FromString(span.SerializeToString()) for span in sound]
                del scope_spans.spans[:]
                scope_spans.spans.extend(copies)
    return admitted, rejected


def _has_ids(trace_id: bytes, span_id: bytes) -> bool:
    return len(trace_id) == 16 and len(span_id) == 8 and trace_id != _NO_TRACE and span_id != _NO_SPAN


def admit_logs(request: ExportLogsServiceRequest) -> tuple[int, int]:
    """Count the records; all are usable."""
    count = sum(
        len(scope_logs.log_records)
        for resource_logs in request.resource_logs
        for scope_logs in resource_logs.scope_logs
    )
    return count, 0


def admit_metrics(request: ExportMetricsServiceRequest) -> tuple[int, int]:
    """Count the points; all are usable."""
    count = sum(
        _points(metric)
        for resource_metrics in request.resource_metrics
        for scope_metrics in resource_metrics.scope_metrics
        for metric in scope_metrics.metrics
    )
    return count, 0


def _points(metric: Metric) -> int:
    kind = metric.WhichOneof("data")
    return len(getattr(metric, kind).data_points) if kind else 0


def _write_metrics(pending: Pending, data: bytes) -> None:
    write_metrics(pending.identities, data)


_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
_SERVICE = "/opentelemetry.proto.collector"
SIGNALS = (
    Signal(
        "/v1/traces",
        f"{_SERVICE}.trace.v1.TraceService/Export",
        ExportTraceServiceRequest,
        ExportTraceServiceResponse,
        "rejected_spans",
        admit_traces,  # pyright: ignore[reportArgumentType]
        Pending.add_traces,
    ),
    Signal(
        "/v1/logs",
        f"{_SERVICE}.logs.v1.LogsService/Export",
        ExportLogsServiceRequest,
        ExportLogsServiceResponse,
        "rejected_log_records",
        admit_logs,  # pyright: ignore[reportArgumentType]
        Pending.add_logs,
    ),
    Signal(
        "/v1/metrics",
        f"{_SERVICE}.metrics.v1.MetricsService/Export",
        ExportMetricsServiceRequest,
        ExportMetricsServiceResponse,
        "rejected_data_points",
        admit_metrics,  # pyright: ignore[reportArgumentType]
        _write_metrics,
    ),
)


def replayed(kind: int, data: bytes) -> Batch:
    """Make the batch of a journalled request again; `kind` is its signal's place in `SIGNALS`."""
    signal = SIGNALS[kind]
    return signal.batch(signal.request.FromString(data), data)[0]
