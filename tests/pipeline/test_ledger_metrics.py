"""The ledger as metrics."""

from instrumentation import semconv
from instrumentation.pipeline import ledger_metrics
from instrumentation.pipeline.ledger import Ledger
from instrumentation.signals.metric import MetricStore


def shown(store):
    """Return {(metric, component, reason): value}."""
    return {
        (
            family.name.removeprefix("otel.sdk."),
            point.attributes[semconv.OTEL_COMPONENT_TYPE],
            point.attributes.get(semconv.ERROR_TYPE, ""),
        ): point.value
        for family in store.snapshot()
        for point in family.points
    }


def test_the_metrics_balance_as_the_ledger_does():
    """What was accepted is what was processed and what waits; what was handed on was exported or lost."""
    store, ledger = MetricStore(), Ledger()
    ledger_metrics.register(store, ledger)
    assert shown(store) == {}

    account = ledger.account("traces")
    account.waiting = lambda: 3
    account.hold(10)
    account.settle(6, "rejected", 1)
    account.drop("queue_full", 2)
    found = shown(store)
    books = ledger.snapshot().signals["traces"]

    processor, exporter = "batching_span_processor", "otlp_http_span_exporter"
    processed = {key[2]: value for key, value in found.items() if key[:2] == ("processor.span.processed", processor)}
    exported = {key[2]: value for key, value in found.items() if key[:2] == ("exporter.span.exported", exporter)}
    assert processed == {"": 7, "queue_full": 2, "too_big": 0, "shutdown": 0}
    assert exported == {"": 6, "rejected": 1, "timeout": 0, "encode_error": 0}
    assert found["processor.span.queue.size", processor, ""] == 6
    assert sum(processed.values()) + 6 == books.accepted
    assert sum(exported.values()) == processed[""]


def test_each_signal_has_its_own_metrics():
    """Spans, log records, data points and lines on stdout are told apart by name and component."""
    store, ledger = MetricStore(), Ledger()
    ledger_metrics.register(store, ledger)
    for signal in ("traces", "logs", "metrics", "lines"):
        ledger.account(signal).hold(1)
        ledger.account(signal).settle(1)
    ledger.account("lines").drop("disk_full")

    found = shown(store)
    delivered = {key[:2] for key, value in found.items() if value == 1 and not key[2] and "exporter" in key[0]}
    assert delivered == {
        ("exporter.span.exported", "otlp_http_span_exporter"),
        ("exporter.log.exported", "otlp_http_log_exporter"),
        ("exporter.log.exported", "stdout_log_exporter"),
        ("exporter.metric_data_point.exported", "otlp_http_metric_exporter"),
    }
    assert found["exporter.log.exported", "stdout_log_exporter", "disk_full"] == 1


def test_a_forked_childs_inheritance_is_no_loss():
    """Records that a forked child inherited are in no metric."""
    store, ledger = MetricStore(), Ledger()
    ledger_metrics.register(store, ledger)
    ledger.account("traces").drop("fork", 5)
    assert set(shown(store).values()) == {0}
