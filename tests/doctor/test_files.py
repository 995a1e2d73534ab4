import shutil
from pathlib import Path

import pytest

from instrumentation.doctor.files import FILES, check
from instrumentation.doctor.grafana import DATASOURCES

ROOT = Path(__file__).parents[2]

MUTATIONS = [
    ("grafana-exemplar-label", DATASOURCES, "{name: trace_id, datasourceUid", "{name: traceID, datasourceUid"),
    ("grafana-uid", DATASOURCES, "datasourceUid: tempo, urlDisplayLabel: Open the trace}", "datasourceUid: tempo1}"),
    ("grafana-uid", DATASOURCES, "    uid: loki\n", "    uid: loki-1\n"),
    ("grafana-uid", DATASOURCES, "serviceMap: {datasourceUid: prometheus}", "serviceMap: {datasourceUid: mimir}"),
    ("grafana-dollar", DATASOURCES, '"$${__value.raw}"', '"${__value.raw}"'),
    ("grafana-dollar", DATASOURCES, "count{$$__tags}[5m])", "count{$__tags}[5m])"),
    ("grafana-derived-field", DATASOURCES, "matcherType: label, ", ""),
    ("grafana-derived-field", DATASOURCES, "matcherRegex: trace_id", "matcherRegex: traceid"),
    ("grafana-time-shift", DATASOURCES, "spanStartTimeShift: -5m", "spanStartTimeShift: 0s"),
    ("grafana-time-shift", DATASOURCES, "        spanEndTimeShift: 5m\n", ""),
    ("grafana-logs-query", DATASOURCES, "customQuery: true", "customQuery: false"),
    ("grafana-logs-query", DATASOURCES, '| trace_id = "$${__trace.traceId}"', '|= "$${__trace.traceId}"'),
    ("grafana-logs-query", DATASOURCES, ' | trace_id = "$${__trace.traceId}"', ""),
    (
        "grafana-link-label",
        DATASOURCES,
        "{key: service.name, value: service_name}",
        "{key: service.name, value: job_name}",
    ),
    (
        "grafana-metric",
        DATASOURCES,
        "http_server_request_duration_seconds_count",
        "http_server_duration_milliseconds_count",
    ),
    ("tempo-cutoff", "tempo/tempo.yaml", "query_frontend: {query_end_cutoff: 0s}", "query_frontend: {}"),
    ("tempo-exemplar-label", "tempo/tempo.yaml", "trace_id_label_name: trace_id", "trace_id_label_name: traceID"),
    (
        "prometheus-out-of-order",
        "prometheus/prometheus.yml",
        "out_of_order_time_window: 30m",
        "out_of_order_time_window: 0s",
    ),
    ("collector-pipeline", "collector/collector.yaml", "logs: {receivers: [otlp],", "logs: {receivers: [],"),
    ("file-unreadable", "tempo/tempo.yaml", "server:", "server: ["),
]


@pytest.fixture
def copied(tmp_path):
    """The stack's configuration, in a folder of its own."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_stack_s_own_files_are_well(copied):
    """Nothing is found in the configuration as it is."""
    assert check(copied).findings == ()


@pytest.mark.parametrize(("name", "file", "before", "after"), MUTATIONS, ids=lambda value: value.split("\n")[0][:40])
def test_a_mutation_is_named(copied, name, file, before, after):
    """Each setting that breaks a link is named, and nothing else is."""
    text = (copied / file).read_text()
    assert before in text
    (copied / file).write_text(text.replace(before, after))
    findings = check(copied).findings
    assert {finding.name for finding in findings} == {name}
    assert all(finding.cause and file.rpartition("/")[2] in finding.fix + finding.cause for finding in findings)


def test_a_folder_without_configuration_says_so(tmp_path):
    """Nothing to judge is no failure, but is said."""
    hop = check(tmp_path)
    assert (hop.findings, hop.said) == ((), f"no configuration in {tmp_path}")
