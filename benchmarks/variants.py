"""What is compared: how each is set up, and what must arrive at the sink for each operation."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.sink import HTTP_SERVER, LOGS

OTLP = {
    "OTEL_SERVICE_NAME": "bench",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_METRIC_EXPORT_INTERVAL": "5000",
    # Many names for one thing: contrib's conventions as they are today, without the old ones beside them.
    "OTEL_SEMCONV_STABILITY_OPT_IN": "http,database",
}
DATADOG = {
    "DD_SERVICE": "bench",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_TRACE_API_VERSION": "v0.4",
    "DD_TRACE_NATIVE_SPAN_EVENTS": "false",
    "DD_LOGS_INJECTION": "true",
}
_NO_TRACES = {"OTEL_TRACES_EXPORTER": "none"}
_NO_METRICS = {"OTEL_METRICS_EXPORTER": "none"}
_NO_LOGS = {"OTEL_LOGS_EXPORTER": "none", "CLEW_ACCESS_LOG": "false"}
_AUTO = {
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED": "true",
    "OTEL_PYTHON_LOG_LEVEL": "info",
}
_SPAN, _RED = {"SERVER": 1}, {HTTP_SERVER: 1}
_LINE = {"LOG": "1"}


@dataclass(frozen=True, slots=True)
class Variant:
    """One row of a table.

    Attributes:
        name: As the table has it.
        setup: What the measured program does at its start.
        base: Name of the variant that it is compared with.
        prefix: Program that starts it, with its options.
        environment: Beside OTLP's.
        delivers: What must arrive for each operation, no more and no less; others' rows show what did arrive.
    """

    name: str
    setup: str = "bare"
    base: str = "bare"
    prefix: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    delivers: Mapping[str, int] = field(default_factory=dict)


_WITH_LINE = "bare, log call"
_BARE = (Variant("bare"), Variant(_WITH_LINE, base=_WITH_LINE, environment=_LINE))
_INSTRUMENT, _DDTRACE = ("opentelemetry-instrument",), ("ddtrace-run",)

HTTP = (
    *_BARE,
    Variant("kit", "kit", delivers={**_SPAN, **_RED, LOGS: 1}),
    Variant("kit, log line", "kit", _WITH_LINE, environment=_LINE, delivers={**_SPAN, **_RED, LOGS: 2}),
)
SIGNALS = (
    Variant("bare"),
    Variant("kit, traces alone", "kit", environment=_NO_METRICS | _NO_LOGS, delivers=_SPAN),
    Variant("kit, metrics alone", "kit", environment=_NO_TRACES | _NO_LOGS, delivers=_RED),
    Variant("kit, logs alone", "kit", environment=_NO_TRACES | _NO_METRICS, delivers={LOGS: 1}),
    HTTP[2],
)
PEERS = (
    Variant("bare"),
    HTTP[2],
    Variant("FastAPI's own + SDK", "fastapi"),
    Variant("SDK by hand", "recipe"),
    Variant("logfire", "logfire"),
    Variant("opentelemetry-instrument", prefix=_INSTRUMENT, environment=_AUTO),
    Variant("ddtrace", prefix=_DDTRACE, environment=DATADOG),
)
PEERS_WITH_LINE = (
    _BARE[1],
    HTTP[3],
    Variant("FastAPI's own + SDK, log line", "fastapi", _WITH_LINE, environment=_LINE),
    Variant("SDK by hand, log line", "recipe", _WITH_LINE, environment=_LINE),
    Variant("logfire, log line", "logfire", _WITH_LINE, environment=_LINE),
    Variant("opentelemetry-instrument, log line", "level", _WITH_LINE, _INSTRUMENT, _AUTO | _LINE),
    Variant("ddtrace, log line", "bare", _WITH_LINE, _DDTRACE, DATADOG | _LINE),
)
