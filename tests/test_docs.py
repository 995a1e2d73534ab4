"""The code of the guides is run as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
BLOCKS = [
    pytest.param(block, id=f"{guide}-{number}")
    for guide in ("opentelemetry", "frameworks")
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


def test_the_guide_to_testing_holds(tested_guide):
    """Each block of the guide is a file of tests that passes, and the golden shape is the one that is shown."""
    directory, updated, compared = tested_guide
    assert (updated.returncode, compared.returncode) == (0, 0), updated.stdout + compared.stdout + compared.stderr
    assert "5 passed" in compared.stdout
    (golden,) = (directory / "traces").iterdir()
    assert f"```text\n{golden.read_text()}```" in TESTING
