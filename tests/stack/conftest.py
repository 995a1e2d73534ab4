"""A Collector alone, whose backends are one receiver that keeps what it is sent."""

import pytest

from stack.native import Backends, Plan


@pytest.fixture
def start_collector(tmp_path, otlp_sink):
    """Start the Collector with its own configuration and overlays; it sends all signals to `otlp_sink`."""
    exporters = ("otlp_http/loki", "otlp_http/prometheus", "otlp_http/console")
    plain = [f"yaml:exporters::{name}::compression: none" for name in exporters]
    started = []

    def start(*overlays, **environment):
        variables = ("LOKI_OTLP_ENDPOINT", "PROMETHEUS_OTLP_ENDPOINT", "CONSOLE_OTLP_ENDPOINT")
        sinks = dict.fromkeys(variables, otlp_sink.endpoint)
        console_only = "yaml:service::pipelines::traces::exporters: [otlp_http/console]"
        plan = Plan(tmp_path, overlays=[*plain, console_only, *overlays], environment={**sinks, **environment})
        backends = Backends(plan)
        started.append(backends)
        backends.start("otelcol")
        return backends

    yield start
    for backends in started:
        backends.stop()
