"""The page on export is true: its program runs, its variables exist, its settings are taken without a warning."""

import re
from pathlib import Path

import pytest

from instrumentation.settings import Settings, parameters

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
VARIABLES = [
    block
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    if all("=" in line.split()[0] for line in block.splitlines())
]


def known():
    """Return the names of all variables, those of one signal too."""
    names = set()
    for row in parameters():
        for variable in row.variables:
            for signal, processor in (("TRACES", "BSP"), ("LOGS", "BLRP"), ("METRICS", "")):
                names.add(variable.format(SIGNAL=signal, PROCESSOR=processor))
    return names


def test_the_program_runs(run, otlp_sink):
    """The program delivers its span, and the books are as the page says."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert run(code) == (0, "1\n", "")
    assert [span.name for span in otlp_sink.records("traces")] == ["work"]


@pytest.mark.parametrize("block", VARIABLES)
def test_the_settings_are_taken(block, tmp_path):
    """Each block of variables is read without a warning, its files being there."""
    environ = {}
    for line in block.splitlines():
        name, value = line.split("=", 1)
        value = value.strip('"')
        if value.startswith("/"):
            value = str(tmp_path / Path(value).name)
            Path(value).write_text("pem")
        environ[name] = value
    assert Settings.from_env(environ).warnings == ()


def test_the_variables_exist():
    """Every variable that the page names exists, and every one of OTLP's is on the page."""
    assert set(re.findall(r"\b(?:OTEL|CLEW)_[A-Z_]+[A-Z]\b", PAGE)) - {"OTEL_EXPORTER_OTLP"} <= known()
    general = {
        name.removeprefix("OTEL_EXPORTER_OTLP_")
        for name in known()
        if re.fullmatch(r"OTEL_EXPORTER_OTLP_(?!TRACES|LOGS|METRICS)[A-Z_]+", name)
    }
    assert general == set(re.findall(r"`([A-Z_]+)`", PAGE.split("| variable")[1].split("## By")[0]))


def test_headers_are_decoded():
    """The page's header is what it says."""
    block = next(block for block in VARIABLES if "HEADERS" in block)
    name, value = block.strip().split("=", 1)
    headers = Settings.from_env({name: value.strip('"')}).traces.headers
    assert headers == {"Authorization": "Basic dXNlcjpwYXNz", "X-Scope-OrgID": "shop"}
