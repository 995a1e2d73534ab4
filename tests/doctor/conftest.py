import json
from typing import NamedTuple

import pytest

from instrumentation.doctor.cli import main


class Examined(NamedTuple):
    """What the doctor found: its exit code, the hops that hold, and the names of findings."""

    code: int
    held: list[str]
    findings: list[str]


@pytest.fixture
def examine(monkeypatch, capfd):
    """Run `clew doctor` with arguments and environment."""

    def run(*arguments, **environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        code = main([*arguments, "--json"])
        hops = json.loads(capfd.readouterr().out)["hops"]
        findings = [finding["name"] for hop in hops for finding in hop["findings"]]
        return Examined(code, [hop["name"] for hop in hops if not hop["findings"]], findings)

    return run
