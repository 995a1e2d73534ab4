"""What is committed is what mixin/ makes."""

import json
from pathlib import Path

import yaml

from mixin import generate, link
from mixin.dashboards import BOARDS


def test_the_committed_files_are_what_is_generated():
    """Nobody has changed a generated file by hand, and nobody has forgotten to generate."""
    assert generate.stale(generate.ROOT, generate.files()) == []


def test_drift_is_named(tmp_path, monkeypatch, capsys):
    """A changed, a missing and a surplus file are each named, and a new run of the generator mends them."""
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0

    changed, missing, surplus = (
        Path("grafana/dashboards/overview.json"),
        Path("prometheus/rules/slo.yaml"),
        Path("grafana/dashboards/old.json"),
    )
    (tmp_path / changed).write_text("{}")
    (tmp_path / missing).unlink()
    (tmp_path / surplus).write_text("{}")
    assert generate.main(["--check"]) == 1
    assert sorted(line.partition(":")[0] for line in capsys.readouterr().err.splitlines()) == [
        str(surplus),
        str(changed),
        str(missing),
    ]
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    assert not (tmp_path / surplus).exists()


def test_quick_rules_differ_in_windows_alone(tmp_path):
    """The rules for staged incidents have the same names, thresholds and labels; only times are divided."""
    assert generate.main(["--quick", "60", "--to", str(tmp_path)]) == 0
    for name in generate.RULE_FILES:
        usual = yaml.safe_load((generate.ROOT / generate.RULES / name).read_text())["groups"]
        quick = yaml.safe_load((tmp_path / name).read_text())["groups"]
        for group, quick_group in zip(usual, quick, strict=True):
            assert quick_group["interval"] == "1s"
            for rule, quick_rule in zip(group["rules"], quick_group["rules"], strict=True):
                different = {key for key in rule if rule[key] != quick_rule[key]}
                assert different <= {"expr", "for"}
                assert quick_rule["expr"] == divided(rule["expr"])


def divided(expression):
    for window, quick in WINDOWS.items():
        expression = expression.replace(f"[{window}]", f"[{quick}]").replace(f"offset {window}", f"offset {quick}")
    return expression


WINDOWS = {
    "1m": "4s",
    "3m": "4s",
    "5m": "5s",
    "10m": "10s",
    "15m": "15s",
    "30m": "30s",
    "1h": "60s",
    "2h": "120s",
    "6h": "360s",
    "1d": "1440s",
    "3d": "4320s",
    "30d": "43200s",
}


def test_every_dashboard_is_reachable_from_every_other():
    """Each dashboard links to all others, and there is one for each uid that links may name."""
    assert {board.name for board in BOARDS} == set(link.UIDS)
    for board in BOARDS:
        linked = {each["url"] for each in json.loads(board.json())["links"]}
        assert linked == {f"/d/{uid}" for name, uid in link.UIDS.items() if name != board.name}
