import json

import pytest

from instrumentation.canary import cli, report
from instrumentation.canary.judge import Look
from instrumentation.canary.rollout import Outcome, Plan, Progress
from instrumentation.canary.sample import Sample
from instrumentation.cli import main

VERSIONS = ["canary", "inventory", "--stable", "1", "--canary", "2"]
NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--gateway", NOWHERE], "--gateway needs ADMIN_TOKEN in the environment"),
        (["--steps", "5;25"], "--steps '5;25': percentages with commas between them"),
        (["--objective", "100"], "objective must be between 0 and 1"),
        (["--canary", "1"], "versions must differ"),
    ],
)
def test_wrong_usage_is_told_with_its_fix(more, said, capsys, monkeypatch):
    """Exit code 2, and the words on stderr."""
    monkeypatch.delenv("ADMIN_TOKEN", raising=False)
    with pytest.raises(SystemExit, match="2"):
        main([*VERSIONS, *more])
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_source_that_does_not_answer_is_named(capsys):
    """Nothing is begun; exit code 2."""
    assert main([*VERSIONS, "--prometheus", NOWHERE]) == 2
    assert f"clew canary: Prometheus at {NOWHERE}: " in capsys.readouterr().err


def test_help_tells_the_exit_codes(capsys):
    """Whoever writes a pipeline finds them there."""
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    assert "Exit code: 0 promoted, 1 rolled back" in " ".join(capsys.readouterr().out.split())


def test_a_look_and_the_end_are_lines_and_objects():
    """The same numbers for people and for programs."""
    plan = Plan(service="inventory", stable="1", canary="2")
    sample = Sample(1, (0.25,), (99, 0), 0.99)
    progress = Progress(5, Look("fail", "failures", Sample(0, (0.25,), (900, 0), 9.0), sample, (0.0, 10.0)))
    assert report.progress_line(plan, progress) == (
        "  5 %  2: 100 calls, 1 failed, burn 10.0, mean 10.0 ms | 1: 900 calls, 0 failed, burn 0.0, mean 10.0 ms"
        " | fails: failures"
    )
    told = json.loads(report.progress_json(plan, progress))
    assert (told["percent"], told["verdict"], told["canary"]["failures"], told["stable"]["calls"]) == (
        5,
        "fail",
        1,
        900,
    )
    outcome = Outcome(promoted=False, reason="failures", percent=5)
    assert report.outcome_line(plan, outcome).startswith("inventory 2 rolled back from 5 %: it fails more often")
    assert json.loads(report.outcome_json(plan, outcome))["outcome"] == "rolled back"
    judged = Outcome(promoted=True, reason="held", percent=None)
    assert report.outcome_line(plan, judged) == "inventory 2 passed: it held in all steps"
