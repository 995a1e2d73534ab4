"""A wrong value or key of a configuration is told with its file and its name, before anything is started."""

import shutil
import sys
from pathlib import Path

import pytest

from stack import __main__ as command
from stack import binary

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[2]
MISTAKES = [
    ("otelcol", "collector/collector.yaml", "check_interval: 1s", "check_intervall: 1s", "check_intervall"),
    ("otelcol", "collector/collector.yaml", "check_interval: 1s", "check_interval: soon", "check_interval"),
    ("otelcol", "collector/collector.yaml", "exporters: [otlp_http/loki]", "exporters: [otlp_http/loky]", "loky"),
    ("promtool", "prometheus/prometheus.yml", "max_exemplars: 100000", "max_exemplar: 100000", "max_exemplar"),
    ("promtool", "prometheus/prometheus.yml", "out_of_order_time_window: 30m", "out_of_order_time_window: 30", "30"),
    ("loki", "loki/loki.yaml", "ingestion_rate_mb: 16", "ingestion_rate_megabytes: 16", "ingestion_rate_megabytes"),
    ("loki", "loki/loki.yaml", "ingestion_rate_mb: 16", "ingestion_rate_mb: much", "much"),
    ("tempo", "tempo/tempo.yaml", "query_end_cutoff: 0s", "query_end_cut: 0s", "query_end_cut"),
]


@pytest.fixture
def validate(tmp_path, monkeypatch, capsys):
    """Judge a copy of the configurations, of which one has a mistake; return the exit code and what was said."""

    def run(file, before, after):
        for folder in ("collector", "prometheus", "loki", "tempo"):
            shutil.copytree(ROOT / folder, tmp_path / folder)
        text = (tmp_path / file).read_text()
        assert before in text
        (tmp_path / file).write_text(text.replace(before, after))
        monkeypatch.setattr(command, "ROOT", tmp_path)
        monkeypatch.setattr(sys, "argv", ["stack", "validate"])
        return command.main(), capsys.readouterr().out

    return run


@pytest.mark.parametrize(("program", "file", "before", "after", "named"), MISTAKES, ids=lambda value: value[:30])
def test_a_mistake_is_named_with_its_file(validate, program, file, before, after, named):
    """The program that would be started with the file refuses it, and names what it does not understand."""
    try:
        binary.find(program)
    except binary.MissingBinaryError as error:
        pytest.skip(str(error))
    code, said = validate(file, before, after)
    assert code == 1
    (about,) = [part for part in said.split("\n") if part.startswith(file) and not part.endswith(": valid")][:1]
    assert named in said[said.index(about) :]


def test_what_is_shipped_is_valid(validate):
    """The configurations and overlays as they are pass."""
    code, said = validate("loki/loki.yaml", "auth_enabled", "auth_enabled")
    assert (code, "collector/collector.yaml: valid" in said) == (0, True)
