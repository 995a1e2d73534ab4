"""The environment as the OpenTelemetry specification parses it, and arguments in code."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrumentation.settings import IN_CODE, Settings, SignalSettings, parameters

VARIABLES = sorted(
    {
        variable.format(SIGNAL=signal, PROCESSOR=processor)
        for row in parameters()
        for variable in row.variables
        for signal in ("TRACES", "LOGS", "METRICS")
        for processor in ("BSP", "BLRP")
    }
)


def test_nothing_set():
    """An empty environment gives the defaults and no warning."""
    assert Settings.from_env({}) == Settings()
    assert Settings().traces.endpoint == "http://localhost:4318/v1/traces"


def test_empty_is_unset():
    """A variable that is empty or blank counts as not set."""
    assert Settings.from_env(dict.fromkeys(VARIABLES, "  ")) == Settings()


@pytest.mark.parametrize(
    ("text", "value", "warns"),
    [("true", True, 0), ("TRUE", True, 0), ("false", False, 0), ("1", False, 1), ("yes", False, 1), ("t", False, 1)],
)
@pytest.mark.parametrize(("variable", "field"), [("OTEL_SDK_DISABLED", "disabled"), ("CLEW_ACCESS_LOG", "access_log")])
def test_booleans(variable, field, text, value, warns):
    """Only `true`, in any case, is true; what is neither true nor false is false, with a warning."""
    settings = Settings.from_env({variable: text})
    assert getattr(settings, field) is value
    assert len(settings.warnings) == warns


@pytest.mark.parametrize(
    ("variable", "text", "warning"),
    [
        ("OTEL_BSP_SCHEDULE_DELAY", "soon", "'soon' is not a number from 1 to 86400000; using 0.5"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0", "'0' is not a whole number from 1 to 1000000; using 512"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1_0", "'1_0' is not a whole number from 1 to 1000000; using 512"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5.5", "'5.5' is not a whole number from 1 to 1000000; using 512"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan", "'nan' is not a number from 0 to 1; using 1.0"),
        ("CLEW_TRUST", "maybe", "'maybe' is not one of continue, link, ignore; using 'continue'"),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "http/json",
            "'http/json' is not one of http/protobuf, grpc; using 'http/protobuf'",
        ),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "localhost:4317",
            "'localhost:4317' is not an http:// or https:// URL with a host; using 'http://localhost:4318'",
        ),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "a=1,b",
            "'a=1,b' is not a comma list of percent-encoded key=value; using {}",
        ),
    ],
)
def test_wrong_values_warn_and_fall_back(variable, text, warning):
    """A wrong value is named together with what is used instead, once, and changes nothing."""
    settings = Settings.from_env({variable: text})
    assert settings.warnings == (f"{variable}: {warning}",)
    assert {f.name: getattr(settings, f.name) for f in fields(settings) if f.name != "warnings"} == {
        f.name: getattr(Settings(), f.name) for f in fields(settings) if f.name != "warnings"
    }


def test_endpoints():
    """The general endpoint is a base, a signal's own is used as it is and wins."""
    settings = Settings.from_env(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/otlp/",
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "https://loki/otlp",
        }
    )
    assert settings.traces.endpoint == "http://collector:4318/otlp/v1/traces"
    assert settings.metrics.endpoint == "http://collector:4318/otlp/v1/metrics"
    assert settings.logs.endpoint == "https://loki/otlp"


def test_wrong_specific_falls_to_general():
    """If a signal's own variable is wrong, the general one counts."""
    settings = Settings.from_env({"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "x", "OTEL_EXPORTER_OTLP_TIMEOUT": "2000"})
    assert settings.traces.timeout_seconds == 2.0


def test_headers():
    """Headers are percent-decoded and stripped; a signal's own replace the general ones."""
    settings = Settings.from_env(
        {
            "OTEL_EXPORTER_OTLP_HEADERS": " Authorization = Basic%20YQ== , x-tenant=a%2Cb,",
            "OTEL_EXPORTER_OTLP_LOGS_HEADERS": "k=v",
        }
    )
    assert settings.traces.headers == {"Authorization": "Basic YQ==", "x-tenant": "a,b"}
    assert settings.logs.headers == {"k": "v"}
    assert settings.warnings == ()


@pytest.mark.parametrize("text", ["k=secret%0d%0aX: y", "a b=secret", "k=secret%ff", "secret"])
def test_bad_headers_are_not_shown(text):
    """A header that HTTP cannot carry is left out, and the warning keeps its value secret."""
    settings = Settings.from_env({"OTEL_EXPORTER_OTLP_HEADERS": text})
    assert settings.traces.headers == {}
    assert len(settings.warnings) == 1
    assert "secret" not in settings.warnings[0]


def test_units():
    """OTEL_* durations are milliseconds, CLEW_* seconds; the standard variable wins."""
    settings = Settings.from_env(
        {"OTEL_BSP_SCHEDULE_DELAY": "200", "CLEW_FLUSH_INTERVAL": "3", "OTEL_METRIC_EXPORT_INTERVAL": "5000"}
    )
    assert (settings.traces.flush_seconds, settings.logs.flush_seconds) == (0.2, 3.0)
    assert settings.metric_interval_seconds == 5.0


def test_exporter_lists():
    """Exporters are comma lists, `none` is the empty one, and prometheus is for metrics alone."""
    settings = Settings.from_env(
        {
            "OTEL_METRICS_EXPORTER": "otlp, prometheus",
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "console,prometheus",
        }
    )
    assert settings.metrics.exporters == ("otlp", "prometheus")
    assert settings.traces.exporters == ()
    assert settings.logs.exporters == ("console",)
    assert settings.warnings == ("OTEL_LOGS_EXPORTER: prometheus takes metrics alone; it is left out",)


def test_limits():
    """The general attribute limits hold for spans and log records, their own ones first."""
    settings = Settings.from_env({"OTEL_ATTRIBUTE_COUNT_LIMIT": "10", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "20"})
    assert (settings.span_attribute_count_limit, settings.log_attribute_count_limit) == (20, 10)


def test_code_wins():
    """An argument in code goes before the environment, for all signals if it is a signal's setting."""
    environ = {"OTEL_SERVICE_NAME": "env", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://env/x"}
    settings = Settings.from_env(environ, service_name="code", endpoint="http://code:1", log_level=None)
    assert settings.service_name == "code"
    assert settings.traces.endpoint == "http://code:1/v1/traces"
    assert settings.log_level == "info"


def test_signal_in_code():
    """A signal's settings can be given whole."""
    logs = SignalSettings(endpoint="http://loki/otlp/v1/logs")
    assert Settings.from_env({}, logs=logs).logs is logs


@pytest.mark.parametrize(
    ("override", "error", "key"),
    [
        ({"servicename": "x"}, TypeError, "servicename"),
        ({"warnings": ()}, TypeError, "warnings"),
        ({"service_name": 3}, TypeError, "service_name"),
        ({"service_name": " "}, ValueError, "service_name"),
        ({"access_log": "true"}, TypeError, "access_log"),
        ({"max_buffer_bytes": 1}, ValueError, "max_buffer_bytes"),
        ({"max_buffer_bytes": True}, TypeError, "max_buffer_bytes"),
        ({"endpoint": "nowhere"}, ValueError, "endpoint"),
        ({"headers": {"k": "a\nb"}}, ValueError, "headers"),
        ({"traces": {}}, TypeError, "traces"),
        ({"exporters": ["none", "otlp"]}, ValueError, "exporters"),
    ],
)
def test_wrong_code_raises(override, error, key):
    """A wrong argument in code raises, and names the key."""
    with pytest.raises(error, match=re.escape(repr(key))):
        Settings.from_env({}, **override)


@given(st.dictionaries(st.sampled_from(VARIABLES), st.text(st.characters(exclude_characters="\0"), max_size=40)))
def test_no_environment_raises(environ):
    """Whatever the environment holds, reading it gives settings."""
    assert isinstance(Settings.from_env(environ), Settings)


def test_only_reader():
    """No other module of the kit names a variable to read it from the environment."""
    kit = Path(__file__).parent.parent / "instrumentation"
    readers = {
        path.name for path in kit.rglob("*.py") if re.search(r"environ(\.get\(|\[)[\"'](OTEL|CLEW)", path.read_text())
    }
    assert readers == set()


def test_table_is_complete():
    """Every setting has a row in the table, with its variable and its meaning; signals and warnings are none."""
    rows = {row.name for row in parameters()}
    names = {f.name for cls in (Settings, SignalSettings) for f in fields(cls)}
    assert names - rows == {"traces", "logs", "metrics", "warnings", *IN_CODE}
    assert all(row.variables and row.doc.endswith(".") for row in parameters())


def test_grpc_endpoints():
    """By gRPC the endpoint stays as it is, has a default of its own, and needs no scheme; only by gRPC."""
    grpc = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert Settings.from_env(grpc).logs.endpoint == "http://localhost:4317"
    environ = {
        **grpc,
        "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317",
        "OTEL_EXPORTER_OTLP_INSECURE": "true",
        "OTEL_EXPORTER_OTLP_LOGS_INSECURE": "false",
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://collector:4318/v1/metrics",
    }
    settings = Settings.from_env(environ)
    assert settings.warnings == ()
    assert (settings.traces.endpoint, settings.traces.insecure) == ("collector:4317", True)
    assert (settings.logs.endpoint, settings.logs.insecure) == ("collector:4317", False)
    assert settings.metrics.endpoint == "http://collector:4318/v1/metrics"
    assert Settings.from_env({}, protocol="grpc", endpoint="https://c:1").traces.endpoint == "https://c:1"
    for environ in ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"}, {**grpc, "OTEL_EXPORTER_OTLP_ENDPOINT": "c"}):
        (warning,) = Settings.from_env(environ).warnings
        assert warning.startswith("OTEL_EXPORTER_OTLP_ENDPOINT: ")


@pytest.mark.parametrize(
    ("endpoint", "insecure", "expected"),
    [
        ("http://localhost:4317", False, "http://localhost:4318/v1/logs"),
        ("https://collector:443/x", False, "https://collector:443/v1/logs"),
        ("collector:4317", True, "http://collector:4318/v1/logs"),
        ("[::1]:4317", False, "https://[::1]:4318/v1/logs"),
    ],
)
def test_over_http(endpoint, insecure, expected):
    """The same receiver by HTTP has OTLP's other port."""
    settings = Settings.from_env({}, protocol="grpc", endpoint=endpoint, insecure=insecure).logs
    assert (settings.over_http("logs").endpoint, settings.over_http("logs").protocol) == (expected, "http/protobuf")


@pytest.mark.parametrize("name", ["CERTIFICATE", "CLIENT_KEY", "LOGS_CLIENT_CERTIFICATE"])
def test_files_that_cannot_be_read(tmp_path, name):
    """A TLS file that is missing or unreadable is a warning that names variable and path; it is kept."""
    variable = f"OTEL_EXPORTER_OTLP_{name}"
    for path, why in ((tmp_path / "none.pem", "No such file"), (tmp_path, "Is a directory")):
        settings = Settings.from_env({variable: str(path)})
        (warning,) = settings.warnings
        assert warning.startswith(f"{variable}: cannot read {str(path)!r}: {why}")
        assert getattr(settings.logs, name.removeprefix("LOGS_").lower()) == str(path)
