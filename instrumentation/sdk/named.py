"""Exporters and resource detectors that the environment names, found by their entry points."""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

from opentelemetry.sdk._logs import LogRecordProcessor
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

CONSOLE = "console"
Warn = Callable[[str], None]


def span_processors(names: Sequence[str], warn: Warn) -> list[SpanProcessor]:
    """Make a processor for each exporter of spans; the console's exports at once."""
    return [
        SimpleSpanProcessor(exporter) if name == CONSOLE else BatchSpanProcessor(exporter)
        for name, exporter in _exporters("traces", names, warn)
    ]


def log_record_processors(names: Sequence[str], warn: Warn) -> list[LogRecordProcessor]:
    """Make a processor for each exporter of log records; the console's exports at once."""
    return [
        SimpleLogRecordProcessor(exporter) if name == CONSOLE else BatchLogRecordProcessor(exporter)
        for name, exporter in _exporters("logs", names, warn)
    ]


def metric_readers(names: Sequence[str], interval_seconds: float, warn: Warn) -> list[MetricReader]:
    """Make a reader for each exporter of metrics."""
    return [
        PeriodicExportingMetricReader(exporter, export_interval_millis=interval_seconds * 1000)
        for _, exporter in _exporters("metrics", names, warn)
    ]


def _exporters(signal: str, names: Sequence[str], warn: Warn) -> list[tuple[str, Any]]:
    group = f"opentelemetry_{signal}_exporter"
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    made: list[tuple[str, Any]] = []
    for name in names:
        found = next(iter(entry_points(group=group, name=name)), None)
        if found is None:
            warn(f"{variable}: no exporter {name!r} is installed (entry point group {group}); it is left out")
            continue
        try:
            made.append((name, found.load()()))
        except Exception as error:
            warn(f"{variable}: exporter {name!r} is left out: {type(error).__name__}: {error}")
    return made


def detected(names: Sequence[str], warn: Warn) -> Mapping[str, Any]:
    """Return what resource detectors find: those named, or all for `*`. Of two values for a key the later stands."""
    attributes: dict[str, Any] = {}
    found = {entry_point.name: entry_point for entry_point in entry_points(group="opentelemetry_resource_detector")}
    for name in sorted(found) if "*" in names else names:
        if name == "otel":  # OTEL_RESOURCE_ATTRIBUTES, which the settings have read
            continue
        try:
            attributes.update(found[name].load()().detect().attributes)
        except KeyError:
            warn(f"OTEL_EXPERIMENTAL_RESOURCE_DETECTORS: no detector {name!r} is installed; it is left out")
        except Exception as error:
            warn(f"resource detector {name!r} is left out: {type(error).__name__}: {error}")
    return attributes
