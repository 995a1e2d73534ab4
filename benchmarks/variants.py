"""What is compared: how each is started, and what it must deliver for each request."""

from dataclasses import dataclass, field

OTLP = {
    "OTEL_SERVICE_NAME": "bench",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_METRIC_EXPORT_INTERVAL": "5000",
    # Many names for one thing: contrib's conventions as they are today, without the old ones beside them.
    "OTEL_SEMCONV_STABILITY_OPT_IN": "http",
}
DATADOG = {
    "DD_SERVICE": "bench",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_TRACE_API_VERSION": "v0.4",
    "DD_TRACE_NATIVE_SPAN_EVENTS": "false",
    "DD_LOGS_INJECTION": "true",
}


@dataclass(frozen=True, slots=True)
class Variant:
    """One row of the table.

    Attributes:
        name: As the table has it.
        setup: What `http_app` does at its start.
        prefix: Program that starts the server, with its options.
        environment: Beside OTLP's.
        spans, metrics, logs: Whether each request must arrive as a SERVER span, an observation, a log record.
        log_call: Whether the handler logs one line.
    """

    name: str
    setup: str = "bare"
    prefix: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    spans: bool = True
    metrics: bool = True
    logs: int = 0
    log_call: bool = False


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

HTTP = (
    Variant("bare", spans=False, metrics=False),
    Variant("kit", "kit", logs=1),
    Variant("kit, traces alone", "kit", environment=_NO_METRICS | _NO_LOGS, metrics=False),
    Variant("kit, metrics alone", "kit", environment=_NO_TRACES | _NO_LOGS, spans=False),
    Variant("kit, logs alone", "kit", environment=_NO_TRACES | _NO_METRICS, spans=False, metrics=False, logs=1),
    Variant("FastAPI's own + SDK", "fastapi"),
    Variant("SDK by hand", "recipe"),
    Variant("logfire", "logfire"),
    Variant("opentelemetry-instrument", prefix=("opentelemetry-instrument",), environment=_AUTO),
    Variant("ddtrace", prefix=("ddtrace-run",), environment=DATADOG, metrics=False),
    Variant("bare, log call", spans=False, metrics=False, log_call=True),
    Variant("kit, log line", "kit", logs=2, log_call=True),
    Variant("FastAPI's own + SDK, log line", "fastapi", logs=1, log_call=True),
    Variant("SDK by hand, log line", "recipe", logs=1, log_call=True),
    Variant("logfire, log line", "logfire", log_call=True),
    Variant("opentelemetry-instrument, log line", "level", ("opentelemetry-instrument",), _AUTO, logs=1, log_call=True),
    Variant("ddtrace, log line", "bare", ("ddtrace-run",), DATADOG, metrics=False, log_call=True),
)
