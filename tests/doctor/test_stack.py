"""The doctor on the real backends: as they are configured, and with one setting changed at a time."""

import shutil
from pathlib import Path

import pytest

from stack import native
from stack.native import Backends, Plan

pytestmark = [pytest.mark.stack, pytest.mark.timeout(200)]
ROOT = Path(__file__).parents[2]
WELL = ["send", "target", "metric", "exemplar", "trace", "logs", "back", "metrics"]

FILES = [
    (
        "prometheus-promoted-attributes",
        "prometheus/prometheus.yml",
        "[service.name, service.namespace,",
        "[service.namespace,",
    ),
    ("prometheus-translation", "prometheus/prometheus.yml", "UnderscoreEscapingWithSuffixes", "NoTranslation"),
    ("prometheus-exemplar-storage", "prometheus/prometheus.yml", "max_exemplars: 100000", "max_exemplars: 0"),
    ("loki-index-labels", "loki/loki.yaml", "attributes: [service.name, ", "attributes: ["),
    (
        "loki-structured-metadata",
        "loki/loki.yaml",
        "limits_config:\n",
        "limits_config:\n  allow_structured_metadata: false\n",
    ),
    (
        "collector-pipeline",
        "collector/collector.yaml",
        "    logs: {receivers: [otlp], processors: [memory_limiter, redaction], exporters: [otlp_http/loki]}\n",
        "",
    ),
]
FLAGS = [
    ("prometheus-otlp-receiver", "--web.enable-otlp-receiver"),
    ("prometheus-exemplar-storage", "--enable-feature=exemplar-storage"),
]
ENVIRONMENTS = [
    ("collector-export-metrics", {"PROMETHEUS_OTLP_ENDPOINT": "http://127.0.0.1:9/api/v1/otlp"}),
    ("collector-export-logs", {"LOKI_OTLP_ENDPOINT": "http://127.0.0.1:9/otlp"}),
    ("collector-export-traces", {"CONSOLE_OTLP_ENDPOINT": "http://127.0.0.1:9", "TEMPO_OTLP_ENDPOINT": "127.0.0.1:9"}),
]


def places(backends):
    """Return the doctor's arguments for these backends."""
    named = {"prometheus": "prometheus", "loki": "loki", "collector": "metrics"}
    urls = {f"--{name}-url": backends.url(port) for name, port in named.items()}
    urls |= {"--tempo-url": backends.traces_url, "--otlp-url": backends.otlp_url}
    return ["--stack", "--timeout", "6", *(part for pair in urls.items() for part in pair)]


@pytest.fixture
def examine_changed(examine, tmp_path):
    """Examine backends of a changed plan."""

    def run(**changes):
        with Backends(Plan(tmp_path, **changes)) as backends:
            return examine(*places(backends))

    return run


def test_the_stack_as_it_is_is_well(examine, stack):
    """Every hop holds on the stack, whose own files are well too."""
    assert examine(*places(stack), "--files", str(ROOT)) == (0, ["files", *WELL], [])


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        ("sampling", {"OTEL_TRACES_SAMPLER": "always_off"}),
        ("exporter-off", {"OTEL_LOGS_EXPORTER": "none"}),
        ("otlp-protocol", {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}),
    ],
)
def test_a_setting_of_the_service_is_named(examine, stack, name, environment):
    """What keeps the service from sending is told by the environment that it reads."""
    assert examine(*places(stack), **environment) == (1, [], [name])


def test_http_to_the_port_of_grpc_is_named(examine, stack):
    """4317 and 4318 mixed up: the most frequent mistake."""
    grpc = f"http://127.0.0.1:{stack.ports['otlp_grpc']}"
    assert examine(*places(stack), "--otlp-url", grpc) == (1, [], ["otlp-protocol"])


def test_a_wrong_port_is_named(examine, stack, free_port):
    """Nobody answers where the service sends to."""
    assert examine(*places(stack), "--otlp-url", f"http://127.0.0.1:{free_port()}") == (1, [], ["otlp-unreachable"])


@pytest.mark.parametrize(("name", "held"), [("prometheus", 2), ("tempo", 4), ("loki", 5)])
def test_a_backend_that_is_away_is_named(examine, stack, free_port, name, held):
    """The walk ends at the first backend that does not answer."""
    away = ["--timeout", "1", f"--{name}-url", f"http://127.0.0.1:{free_port()}"]
    assert examine(*places(stack), *away) == (1, WELL[:held], ["backend-unreachable"])


@pytest.mark.parametrize(("name", "file", "before", "after"), FILES)
def test_a_changed_setting_is_named(examine_changed, tmp_path, name, file, before, after):
    """One setting of one backend, changed: the finding has its name, and is the only one."""
    for folder in ("collector", "prometheus", "loki", "tempo"):
        shutil.copytree(ROOT / folder, tmp_path / "changed" / folder)
    path = tmp_path / "changed" / file
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    assert examine_changed(configuration=tmp_path / "changed").findings == [name]


@pytest.mark.parametrize(("name", "flag"), FLAGS)
def test_a_missing_flag_is_named(examine_changed, monkeypatch, name, flag):
    """Prometheus without one of its flags."""
    monkeypatch.setattr(native, "PROMETHEUS_FLAGS", [kept for kept in native.PROMETHEUS_FLAGS if kept != flag])
    assert examine_changed().findings == [name]


@pytest.mark.parametrize(("name", "environment"), ENVIRONMENTS)
def test_an_exporter_that_cannot_deliver_is_named(examine_changed, name, environment):
    """The Collector takes the signal, and has nowhere to bring it."""
    assert examine_changed(environment=environment).findings == [name]


def test_a_trace_that_was_sampled_away_is_named(examine_changed):
    """Tail sampling that keeps nothing of what is neither slow nor failed."""
    overlay = ROOT / "collector/tail-sampling.yaml"
    assert examine_changed(overlays=[overlay], environment={"SAMPLING_PERCENTAGE": "0"}).findings == ["tail-sampling"]


@pytest.mark.parametrize("allowed", [[], ["service.name", "service.instance.id"]])
def test_a_redaction_that_takes_too_much_is_named(examine_changed, allowed):
    """An allow-list of the Collector that lacks what links select by: the service, or a span's method and status."""
    overlays = ["yaml:processors::redaction::allow_all_keys: false"]
    overlays += [f"yaml:processors::redaction::allowed_keys: [{', '.join(allowed)}]"] if allowed else []
    assert examine_changed(overlays=overlays).findings == ["collector-redaction"]
