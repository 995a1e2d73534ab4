"""Show the ledger as metrics, under the names that the convention has for an SDK's processors and exporters.

What a processor has handed on or dropped, what waits in it, and what an exporter has delivered or lost:
`accepted = processed + queued`, and `exported` tells what became of all that was handed on. Every reason is a series
from the start, at 0, so that the first loss is an increase.

Source: https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple

from instrumentation import semconv
from instrumentation.pipeline.ledger import Ledger, Reason, SignalBooks
from instrumentation.signals.metric import MetricStore, ObservableKind

Values = Iterable[tuple[float, Mapping[str, str]]]

BEFORE_EXPORT: tuple[Reason, ...] = ("queue_full", "too_big", "shutdown")
"""Losses of a processor. `too_big` may also be a refusal with 413, which the ledger does not tell apart."""
IN_EXPORT: tuple[Reason, ...] = ("encode_error", "rejected", "timeout")
ON_STDOUT: tuple[Reason, ...] = ("queue_full", "too_big", "shutdown", "rejected", "disk_full")
OF_METRICS: tuple[Reason, ...] = (*BEFORE_EXPORT, *IN_EXPORT)


class Shown(NamedTuple):
    """A metric that shows one side of a signal's books.

    Attributes:
        name: Of the metric.
        kind: Of the metric.
        unit: Of the metric.
        component: `otel.component.type`; the name is the same, as there is one of each.
        read: Makes value and `error.type` (empty for none) of the books.
    """

    name: str
    kind: ObservableKind
    unit: str
    component: str
    read: Callable[[SignalBooks], list[tuple[int, str]]]


def _processed(books: SignalBooks) -> list[tuple[int, str]]:
    handed_on = books.delivered + sum(books.dropped[reason] for reason in IN_EXPORT)
    return [(handed_on, ""), *_lost(books, BEFORE_EXPORT)]


def _exported(reasons: tuple[Reason, ...], books: SignalBooks) -> list[tuple[int, str]]:
    return [(books.delivered, ""), *_lost(books, reasons)]


def _lost(books: SignalBooks, reasons: tuple[Reason, ...]) -> list[tuple[int, str]]:
    return [(books.dropped[reason], reason) for reason in reasons]


def _queued(books: SignalBooks) -> list[tuple[int, str]]:
    return [(books.queued, "")]


_SPAN, _LOG, _POINT = "{span}", "{log_record}", "{data_point}"
_IN_EXPORT, _ON_STDOUT, _OF_METRICS = (partial(_exported, reasons) for reasons in (IN_EXPORT, ON_STDOUT, OF_METRICS))
_SPANS, _LOGS, _METRICS = "otlp_http_span_exporter", "otlp_http_log_exporter", "otlp_http_metric_exporter"
_SPAN_QUEUE, _LOG_QUEUE = "batching_span_processor", "batching_log_processor"
STDOUT = "stdout_log_exporter"

SHOWN: Mapping[str, tuple[Shown, ...]] = {
    "traces": (
        Shown(semconv.OTEL_SDK_PROCESSOR_SPAN_PROCESSED, "counter", _SPAN, _SPAN_QUEUE, _processed),
        Shown(semconv.OTEL_SDK_PROCESSOR_SPAN_QUEUE_SIZE, "up_down_counter", _SPAN, _SPAN_QUEUE, _queued),
        Shown(semconv.OTEL_SDK_EXPORTER_SPAN_EXPORTED, "counter", _SPAN, _SPANS, _IN_EXPORT),
    ),
    "logs": (
        Shown(semconv.OTEL_SDK_PROCESSOR_LOG_PROCESSED, "counter", _LOG, _LOG_QUEUE, _processed),
        Shown(semconv.OTEL_SDK_PROCESSOR_LOG_QUEUE_SIZE, "up_down_counter", _LOG, _LOG_QUEUE, _queued),
        Shown(semconv.OTEL_SDK_EXPORTER_LOG_EXPORTED, "counter", _LOG, _LOGS, _IN_EXPORT),
    ),
    "metrics": (
        Shown(semconv.OTEL_SDK_EXPORTER_METRIC_DATA_POINT_EXPORTED, "counter", _POINT, _METRICS, _OF_METRICS),
        Shown(semconv.OTEL_SDK_EXPORTER_METRIC_DATA_POINT_INFLIGHT, "up_down_counter", _POINT, _METRICS, _queued),
    ),
    "lines": (Shown(semconv.OTEL_SDK_EXPORTER_LOG_EXPORTED, "counter", _LOG, STDOUT, _ON_STDOUT),),
}
"""By the ledger's name of the signal. A forked child's inherited copies are no loss and are not shown."""

_DESCRIPTIONS = {
    "processed": "Records handed on to the exporter, or dropped before it with the reason.",
    "size": "Records that wait or are being sent.",
    "exported": "Records delivered, or lost with the reason.",
    "inflight": "Data points that are being sent.",
}


def register(store: MetricStore, ledger: Ledger) -> None:
    """Add the metrics to the store; a signal shows once its account is open."""
    for signal, metrics in SHOWN.items():
        for shown in metrics:
            store.observable(
                shown.name,
                kind=shown.kind,
                unit=shown.unit,
                description=_DESCRIPTIONS[shown.name.rpartition(".")[2]],
                callback=partial(_values, ledger, signal, shown),
            )


def register_overflow(store: MetricStore) -> None:
    """Add the count of measurements that went into an overflow series."""
    store.observable(
        semconv.CLEW_METRIC_OVERFLOWED,
        kind="counter",
        unit="{measurement}",
        description="Measurements whose series found no room and which were added to the overflow series.",
        callback=lambda: ((store.overflowed(), {}),),
    )


def _values(ledger: Ledger, signal: str, shown: Shown) -> Values:
    books = ledger.snapshot().signals.get(signal)
    for value, error_type in shown.read(books) if books else ():
        attributes = {semconv.OTEL_COMPONENT_TYPE: shown.component, semconv.OTEL_COMPONENT_NAME: f"{shown.component}/0"}
        yield value, attributes | ({semconv.ERROR_TYPE: error_type} if error_type else {})
