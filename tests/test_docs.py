"""The code of the guides is run as it stands, their links lead somewhere, and the page of settings is the code's."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from instrumentation.settings import parameters

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BLOCKS = [
    pytest.param(block, id=f"{guide}-{number}")
    for guide in ("opentelemetry", "frameworks", "settings", "migration", "patterns")
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", (DOCS / f"{guide}.md").read_text(), re.DOTALL))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_each_block_of_the_guides_runs(run, otlp_sink, block):
    """A block runs without a word on stderr, and its span `charge` arrives."""
    status, out, err = run(block)
    assert (status, err) == (0, "")
    (charge,) = [record for record in otlp_sink.records("traces") if record.name == "charge"]
    if "basicConfig" in block:
        assert out == f"WARNING charged trace={charge.trace_id.hex()}\n"


EXCERPTS = re.findall(r"```py\n# (\S+)\n(.*?)```", (DOCS / "patterns.md").read_text(), re.DOTALL)


@pytest.mark.parametrize(("path", "excerpt"), EXCERPTS, ids=[path for path, _ in EXCERPTS])
def test_each_excerpt_is_what_the_shop_s_code_says(path, excerpt):
    """An excerpt is found in its file, line by line, however deep it is indented there."""
    lines = [line.strip() for line in (ROOT / "demo-services" / path).read_text().splitlines()]
    wanted = [line.strip() for line in excerpt.splitlines()]
    assert any(lines[start : start + len(wanted)] == wanted for start in range(len(lines)))


TESTING = (DOCS / "testing.md").read_text()


@pytest.fixture(scope="module")
def tested_guide(tmp_path_factory):
    """The guide's blocks as files of tests, in one run of pytest that writes golden shapes and one that compares."""
    directory = tmp_path_factory.mktemp("guide")
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", TESTING, re.DOTALL)):
        (directory / f"test_guide_{number}.py").write_text(block)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "OTEL_", "CLEW_"))}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"

    def run(*arguments):
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "instrumentation.pytest_plugin",
            "-p",
            "no:cacheprovider",
        ]
        return subprocess.run(
            [*command, *arguments], check=False, cwd=directory, env=environment, capture_output=True, text=True
        )

    return directory, run("--clew-update"), run("-W", "error")


@pytest.mark.slow
def test_the_guide_to_testing_holds(tested_guide):
    """Each block of the guide is a file of tests that passes, and the golden shape is the one that is shown."""
    directory, updated, compared = tested_guide
    assert (updated.returncode, compared.returncode) == (0, 0), updated.stdout + compared.stdout + compared.stderr
    assert "5 passed" in compared.stdout
    (golden,) = (directory / "traces").iterdir()
    assert f"```text\n{golden.read_text()}```" in TESTING


def test_the_links_of_the_guides_lead_somewhere():
    """Every relative link between the guides names a file that is there."""
    guides = [*DOCS.glob("*.md"), ROOT / "README.md", ROOT / "ARCHITECTURE.md"]
    links = [(guide, link) for guide in guides for link in re.findall(r"\]\((?!https?:)([^)#]+)", guide.read_text())]
    assert len(links) > 10
    assert [(guide.name, link) for guide, link in links if not (guide.parent / link).exists()] == []


def test_drift_of_the_settings_page_is_told(tmp_path):
    """The committed page is what the settings say; a change by hand is told of, and the generator mends it."""
    for name in ("generate.py", "settings.md"):
        shutil.copy(DOCS / name, tmp_path)

    def generate(*arguments):
        command = [sys.executable, tmp_path / "generate.py", *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)

    assert generate("--check").returncode == 0
    page = tmp_path / "settings.md"
    text = page.read_text()
    assert text.count("\n| `") == len(list(parameters()))
    page.write_text(text.replace("`CLEW_TRUST`", "`CLEW_TRUSTED`"))
    drifted = generate("--check")
    assert (drifted.returncode, "make generate" in drifted.stderr) == (1, True)
    assert (generate().returncode, page.read_text()) == (0, text)


def test_the_settings_that_the_readme_names_have_its_defaults():
    """Each variable in the README's table is a setting, with the default that stands there."""
    defaults = {variable: row.default for row in parameters() for variable in row.variables}
    rows = re.findall(r"^\| `(CLEW_\w+)` \| (.+?) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(rows) >= 5
    for variable, shown in rows:
        default = defaults[variable]
        texts = {
            str(default),
            f"`{str(default).lower()}`",
            f"{default:g}" if isinstance(default, float) else "",
            "16 MiB" if default == 16 * 2**20 else "",
        }
        assert shown in texts, variable
