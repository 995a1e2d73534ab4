"""Hold every setting of the kit. The only reader of `OTEL_*` and `CLEW_*`.

Each field below is a row of the settings table: default, variables (the first one set wins), meaning. `parameters()`
lists them for the reference page. An argument in code goes before the environment, the environment before the default.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

from instrumentation.environment import Choice, File, Flag, Kind, Names, Number, Pairs, Text, Url

GRPC, HTTP = "grpc", "http/protobuf"
_ENDPOINT = "http://localhost:4318"
_GRPC_ENDPOINT = "http://localhost:4317"
IN_CODE = ("otel_sampler", "span_processors", "log_record_processors", "metric_readers")
"""Fields that take objects of OpenTelemetry's SDK; no variable sets them."""
NATIVE_EXPORTERS = frozenset(("otlp", "prometheus"))
"""Exporters of the kit's own; any other is the SDK's."""
_DAY = 86_400.0
_MIB = 1024 * 1024
_TEXT, _FLAG, _FILE = Text(), Flag(), File()
_SECONDS = Number(0.001, _DAY)
_MILLISECONDS = Number(0.001, _DAY, per_unit=1000)
_COUNT = Number(0, 1_000_000, whole=True)
_AT_LEAST_ONE = Number(1, 1_000_000, whole=True)
_LEVEL = Choice(("debug", "info", "warning", "error", "critical"))

_PROCESSORS = {"TRACES": "BSP", "LOGS": "BLRP"}
"""The word for a signal's batch processor in variable names; metrics have none."""


class Parameter(NamedTuple):
    """One row of the settings table.

    Attributes:
        name: Field, and the keyword argument in code.
        variables: Environment variables, the first one set wins; `{SIGNAL}`, `{PROCESSOR}`: a signal's word.
        default: Value if nothing is set.
        expected: What a valid value is.
        doc: Meaning, with unit and bound.
    """

    name: str
    variables: tuple[str, ...]
    default: object
    expected: str
    doc: str


def _row(default: object, doc: str, /, **variables: Kind) -> Any:
    """Declare a field together with its row of the table."""
    metadata = {"doc": doc, "variables": variables}
    if isinstance(default, dict):
        return field(default_factory=lambda: cast("dict[str, str]", {}), metadata=metadata)
    return field(default=default, metadata=metadata, repr=not any("TOKEN" in name for name in variables))


def _signal_row(default: object, doc: str, kind: Kind, name: str) -> Any:
    """Declare a field whose variable exists for each signal, which wins, and for all of them."""
    specific, general = f"OTEL_EXPORTER_OTLP_{{SIGNAL}}_{name}", f"OTEL_EXPORTER_OTLP_{name}"
    return _row(default, doc, **{specific: kind, general: kind})


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSettings:
    """How one signal leaves the process."""

    exporters: tuple[str, ...] = _row(
        ("otlp",),
        "Where the signal goes: `otlp`, `prometheus` (metrics alone), or exporters of OpenTelemetry's SDK by name.",
        **{"OTEL_{SIGNAL}_EXPORTER": Names()},
    )
    protocol: str = _signal_row(
        HTTP, "Transport; `grpc` needs the extra `otlp-grpc`.", Choice((HTTP, GRPC)), "PROTOCOL"
    )
    endpoint: str = _signal_row(
        _ENDPOINT,
        "URL of the receiver. `/v1/<signal>` is appended to the general variable and the argument, not to the other. "
        "By gRPC the path does not count, the default is `http://localhost:4317`, and `host:port` is taken too.",
        Url(),
        "ENDPOINT",
    )
    insecure: bool = _signal_row(
        False, "Whether a gRPC endpoint without a scheme is spoken to without TLS.", _FLAG, "INSECURE"
    )
    headers: Mapping[str, str] = _signal_row({}, "Headers of each request.", Pairs(headers=True), "HEADERS")
    timeout_seconds: float = _signal_row(10.0, "Longest time for one export request.", _MILLISECONDS, "TIMEOUT")
    compression: str = _signal_row("none", "Compression of each request.", Choice(("none", "gzip")), "COMPRESSION")
    certificate: str | None = _signal_row(None, "PEM file of the authorities to trust.", _FILE, "CERTIFICATE")
    client_key: str | None = _signal_row(None, "PEM file of the client's private key.", _FILE, "CLIENT_KEY")
    client_certificate: str | None = _signal_row(
        None, "PEM file of the client's certificate.", _FILE, "CLIENT_CERTIFICATE"
    )
    flush_seconds: float = _row(
        0.5,
        "Longest time a span or log record waits for its batch.",
        **{"OTEL_{PROCESSOR}_SCHEDULE_DELAY": _MILLISECONDS, "CLEW_FLUSH_INTERVAL": _SECONDS},
    )
    batch_records: int = _row(
        512, "Most records in one export request.", **{"OTEL_{PROCESSOR}_MAX_EXPORT_BATCH_SIZE": _AT_LEAST_ONE}
    )
    queue_records: int | None = _row(
        None,
        "Most records held; the newest is dropped beyond. Unset: bytes alone are the bound.",
        **{"OTEL_{PROCESSOR}_MAX_QUEUE_SIZE": _AT_LEAST_ONE},
    )
    retry_seconds: float = _row(
        300.0,
        "Longest time a batch is tried again before it is dropped as timed out.",
        **{"OTEL_{PROCESSOR}_EXPORT_TIMEOUT": _MILLISECONDS, "CLEW_RETRY_TIMEOUT": _SECONDS},
    )

    def over_http(self, signal: str) -> "SignalSettings":
        """Return the same by HTTP, for a process without grpcio: OTLP's port for gRPC, 4317, becomes that for HTTP."""
        bare = "://" not in self.endpoint
        url = urlsplit(f"http{'' if self.insecure else 's'}://{self.endpoint}" if bare else self.endpoint)
        base = f"{url.scheme}://{url.netloc.removesuffix(':4317')}{':4318' if url.port == 4317 else ''}"
        return replace(self, protocol=HTTP, endpoint=_with_path(base, signal))


def _with_path(url: str, signal: str) -> str:
    """Append a signal's path to a base URL, as the OTLP exporter specification has it."""
    return f"{url.rstrip('/')}/v1/{signal}"


def _default(signal: str) -> SignalSettings:
    return SignalSettings(endpoint=_with_path(_ENDPOINT, signal))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one process. `Settings()` is the defaults alone, `Settings.from_env()` reads the environment.

    Attributes:
        traces: How spans leave the process.
        logs: How log records leave the process.
        metrics: How metrics leave the process.
        warnings: What was wrong in the environment: variable, value, what is used instead. Set-up prints them.
        otel_sampler: Sampler of OpenTelemetry's SDK; goes before `sampler`. In code alone, as are the next three.
        span_processors: The SDK's SpanProcessors, told of each span's start and end, in this order.
        log_record_processors: The SDK's LogRecordProcessors, shown each log record.
        metric_readers: The SDK's MetricReaders, which collect from the kit's store.
    """

    service_name: str | None = _row(None, "`service.name` of the resource.", OTEL_SERVICE_NAME=_TEXT)
    resource_attributes: Mapping[str, str] = _row(
        {},
        "Attributes of the resource; `service.name` here yields to the variable above.",
        OTEL_RESOURCE_ATTRIBUTES=Pairs(),
    )
    disabled: bool = _row(False, "Emit nothing; context propagation goes on.", OTEL_SDK_DISABLED=_FLAG)
    sampler: str = _row(
        "parentbased_always_on",
        "Which traces are kept.",
        OTEL_TRACES_SAMPLER=Choice(
            (
                *("always_on", "always_off", "traceidratio"),
                *("parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"),
            )
        ),
    )
    sampler_ratio: float = _row(
        1.0, "Share of traces kept by the ratio samplers.", OTEL_TRACES_SAMPLER_ARG=Number(0, 1)
    )
    propagators: tuple[str, ...] = _row(
        ("tracecontext", "baggage"), "Formats of context between processes.", OTEL_PROPAGATORS=Names()
    )
    metric_interval_seconds: float = _row(
        60.0, "Time between two metric exports.", OTEL_METRIC_EXPORT_INTERVAL=_MILLISECONDS
    )
    prometheus_host: str = _row(
        "localhost", "Host of the scrape port, if `prometheus` is an exporter.", OTEL_EXPORTER_PROMETHEUS_HOST=_TEXT
    )
    prometheus_port: int = _row(
        9464, "Scrape port, if `prometheus` is an exporter.", OTEL_EXPORTER_PROMETHEUS_PORT=Number(0, 65535, whole=True)
    )
    metrics_on_app: bool = _row(
        True, "Whether applications answer `/metrics`, unless they have it themselves.", CLEW_METRICS_ON_APP=_FLAG
    )
    metrics_token: str | None = _row(
        None,
        "Token without which `/metrics` is not shown, on applications and on the scrape port: "
        "`Authorization: Bearer <token>`.",
        CLEW_METRICS_TOKEN=_TEXT,
    )
    span_attribute_count_limit: int = _row(
        128, "Most attributes of a span.", OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=_COUNT, OTEL_ATTRIBUTE_COUNT_LIMIT=_COUNT
    )
    span_attribute_value_length_limit: int = _row(
        4096,
        "Most characters of a span attribute.",
        OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT=_COUNT,
        OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT=_COUNT,
    )
    log_attribute_count_limit: int = _row(
        128,
        "Most attributes of a log record.",
        OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT=_COUNT,
        OTEL_ATTRIBUTE_COUNT_LIMIT=_COUNT,
    )
    log_attribute_value_length_limit: int = _row(
        4096,
        "Most characters of a log record's attribute.",
        OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT=_COUNT,
        OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT=_COUNT,
    )
    span_event_count_limit: int = _row(128, "Most events of a span.", OTEL_SPAN_EVENT_COUNT_LIMIT=_COUNT)
    span_link_count_limit: int = _row(128, "Most links of a span.", OTEL_SPAN_LINK_COUNT_LIMIT=_COUNT)
    event_attribute_count_limit: int = _row(
        128, "Most attributes of a span's event.", OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT=_COUNT
    )
    link_attribute_count_limit: int = _row(
        128, "Most attributes of a span's link.", OTEL_LINK_ATTRIBUTE_COUNT_LIMIT=_COUNT
    )
    diagnostics_level: str = _row(
        "info", "Least level of the kit's own lines on stderr.", OTEL_LOG_LEVEL=Choice((*_LEVEL.names, "none"))
    )
    access_log: bool = _row(True, "Write one line per request.", CLEW_ACCESS_LOG=_FLAG)
    log_format: str = _row(
        "auto",
        "Form of lines on stdout; `auto` is `pretty` on a terminal, else `json`; `ecs` is Elastic's schema.",
        CLEW_LOG_FORMAT=Choice(("auto", "json", "pretty", "ecs", "console")),
    )
    contrib: bool = _row(
        True, "Activate every installed `opentelemetry-instrumentation-*`.", CLEW_CONTRIB_INSTRUMENTATIONS=_FLAG
    )
    disabled_instrumentations: tuple[str, ...] = _row(
        (),
        "Libraries that are left alone, by the name of OpenTelemetry's instrumentation or the kit's; `*`: all.",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=Names(),
    )
    resource_detectors: tuple[str, ...] = _row(
        (),
        "Detectors of OpenTelemetry's SDK that add to the resource, such as `os,process`; `*`: all.",
        OTEL_EXPERIMENTAL_RESOURCE_DETECTORS=Names(),
    )
    log_level: str = _row("info", "Least level of lines and log records.", CLEW_LOG_LEVEL=_LEVEL)
    trust: str = _row(
        "continue",
        "What a server entry point does with an incoming trace: continue it, link to it from a new one, or ignore it.",
        CLEW_TRUST=Choice(("continue", "link", "ignore")),
    )
    redact: bool = _row(True, "Take what looks like a secret out of spans, log records and lines.", CLEW_REDACT=_FLAG)
    rpc_message_events: bool = _row(
        False, "Make each message of an RPC an event of its span.", CLEW_RPC_MESSAGE_EVENTS=_FLAG
    )
    worker_metrics: bool = _row(
        True, "Show the metrics of all workers of a server on the `/metrics` of each.", CLEW_WORKER_METRICS=_FLAG
    )
    max_buffer_bytes: int = _row(
        16 * _MIB,
        "Most memory for records not yet delivered, all signals together.",
        CLEW_MAX_BUFFER_BYTES=Number(64 * 1024, 4096 * _MIB, whole=True),
    )
    spool_dir: str | None = _row(
        None,
        "Directory that keeps spans and log records until they are delivered, over the death of the process.",
        CLEW_SPOOL_DIR=_TEXT,
    )
    spool_max_bytes: int = _row(
        256 * _MIB,
        "Most bytes that the directory keeps; beyond, records wait in memory.",
        CLEW_SPOOL_MAX_BYTES=Number(_MIB, 1024 * 1024 * _MIB, whole=True),
    )
    shutdown_seconds: float = _row(
        5.0, "Longest time for the last flush, all signals together.", CLEW_SHUTDOWN_TIMEOUT=Number(0, 3600)
    )
    traces: SignalSettings = field(default_factory=lambda: _default("traces"))
    logs: SignalSettings = field(default_factory=lambda: _default("logs"))
    metrics: SignalSettings = field(default_factory=lambda: _default("metrics"))
    warnings: tuple[str, ...] = ()
    otel_sampler: object | None = None
    span_processors: tuple[object, ...] = ()
    log_record_processors: tuple[object, ...] = ()
    metric_readers: tuple[object, ...] = ()

    @property
    def uses_sdk(self) -> bool:
        """Whether something of OpenTelemetry's SDK is plugged in."""
        named = {*self.traces.exporters, *self.logs.exporters, *self.metrics.exporters} - NATIVE_EXPORTERS
        code = (self.otel_sampler, self.span_processors, self.log_record_processors, self.metric_readers)
        return bool(named) or any(code)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, /, **overrides: object) -> "Settings":
        """Read `environ` (default: the process's own), `overrides` first.

        Overrides are fields of `Settings`, or fields of `SignalSettings` for all three signals at once. None counts as
        not given.

        Raises:
            TypeError: An override has no such field, or the wrong type.
            ValueError: An override has a value out of its range.
        """
        given = {name: value for name, value in overrides.items() if value is not None}
        reader = _Reader(os.environ if environ is None else environ, given)
        values = reader.row_values(cls, signal="")
        for signal in ("traces", "logs", "metrics"):
            values[signal] = reader.signal(signal)
        reader.refuse_unknown(cls)
        values.update((name, reader.in_code(name)) for name in IN_CODE if name in given)
        values["warnings"] = tuple(dict.fromkeys(reader.warnings))
        return cls(**values)


def parameters() -> Iterator[Parameter]:
    """List the rows of the settings table, for the reference page."""
    for cls in (Settings, SignalSettings):
        for row in fields(cls):
            if "doc" not in row.metadata:
                continue
            variables = cast("dict[str, Kind]", row.metadata["variables"])
            default = cast("object", row.default if row.default is not MISSING else {})
            expected = next(iter(variables.values())).expected
            yield Parameter(row.name, tuple(variables), default, expected, cast("str", row.metadata["doc"]))


class _Reader:
    """Take values from overrides and environment, and note what is wrong with the latter."""

    def __init__(self, environ: Mapping[str, str], overrides: Mapping[str, object]) -> None:
        self._environ = environ
        self._overrides = overrides
        self.warnings: list[str] = []

    def row_values(self, cls: type[Settings | SignalSettings], signal: str) -> dict[str, Any]:
        """Return the values that are given, by field."""
        values: dict[str, Any] = {}
        for row in fields(cls):
            kinds = cast("dict[str, Kind]", row.metadata.get("variables", {}))
            if row.name == "endpoint" and values.get("protocol") == GRPC:
                kinds = dict.fromkeys(kinds, Url(bare=True))
            if row.name in self._overrides and kinds:
                values[row.name] = self._override(row.name, next(iter(kinds.values())))
                continue
            fallback = cast("object", row.default if row.default is not MISSING else {})
            for variable, kind in _variables(kinds, signal):
                value = self._variable(variable, kind, fallback)
                if value is not None:
                    based = _is_base(row.name, variable) and values.get("protocol") != GRPC
                    values[row.name] = _with_path(str(value), signal) if based else value
                    break
        return values

    def signal(self, signal: str) -> SignalSettings:
        """Read one signal's settings, or take them as given in code."""
        given = self._overrides.get(signal)
        if isinstance(given, SignalSettings):
            return given
        if given is not None:
            raise TypeError(f"setting {signal!r}: {given!r} is not a SignalSettings")
        values = self.row_values(SignalSettings, signal)
        if values.get("protocol") == GRPC:
            values.setdefault("endpoint", _GRPC_ENDPOINT)
        elif "endpoint" in self._overrides or "endpoint" not in values:
            values["endpoint"] = _with_path(str(values.get("endpoint", _ENDPOINT)), signal)
        if signal != "metrics" and "prometheus" in values.get("exporters", ()):
            self.warnings.append(f"OTEL_{signal.upper()}_EXPORTER: prometheus takes metrics alone; it is left out")
            values["exporters"] = tuple(name for name in values["exporters"] if name != "prometheus")
        return SignalSettings(**values)

    def refuse_unknown(self, cls: type[Settings]) -> None:
        """Raise TypeError for an override that no field takes."""
        known = {row.name for row in (*fields(cls), *fields(SignalSettings))} - {"warnings"}
        for name in self._overrides:
            if name not in known:
                raise TypeError(f"unknown setting {name!r}; known are {', '.join(sorted(known))}")

    def in_code(self, name: str) -> object:
        """Return objects that are given in code; a sequence of them as a tuple."""
        value = self._overrides[name]
        return value if name == "otel_sampler" else tuple(cast("Sequence[object]", value))

    def _override(self, name: str, kind: Kind) -> object:
        try:
            return kind.check(self._overrides[name])
        except (TypeError, ValueError) as error:
            raise type(error)(f"setting {name!r}: {self._overrides[name]!r} is not {error}") from None

    def _variable(self, variable: str, kind: Kind, fallback: object) -> object:
        text = self._environ.get(variable, "").strip()
        if not text:
            return None
        if isinstance(kind, File) and (why := kind.unreadable(text)):
            self.warnings.append(
                f"{variable}: cannot read {text[:200]!r}: {why}; nothing goes by TLS until it can be read"
            )
        try:
            return kind.parse(text)
        except ValueError:
            value = "its value" if variable.endswith("HEADERS") else repr(text[:200])  # headers carry secrets
            used = False if isinstance(kind, Flag) else fallback
            self.warnings.append(f"{variable}: {value} is not {kind.expected}; using {used!r}")
            # The specification: a boolean that is neither true nor false is false.
            return used if isinstance(kind, Flag) else None


def _variables(kinds: Mapping[str, Kind], signal: str) -> Iterator[tuple[str, Kind]]:
    """Fill a signal's words into variable names; leave out those that it has no word for."""
    word = signal.upper()
    for variable, kind in kinds.items():
        if "{PROCESSOR}" not in variable:
            yield variable.format(SIGNAL=word), kind
        elif word in _PROCESSORS:
            yield variable.format(PROCESSOR=_PROCESSORS[word]), kind


def _is_base(name: str, variable: str) -> bool:
    return name == "endpoint" and variable == "OTEL_EXPORTER_OTLP_ENDPOINT"
