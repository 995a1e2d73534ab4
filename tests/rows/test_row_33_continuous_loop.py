"""Row 33, a continuous loop: from an SLO to its alert, its runbook, its dashboard and the next query."""

import re
from pathlib import Path

import pytest

from mixin.contract.place import places, runbooks
from mixin.contract.reading import read
from mixin.dashboards import BOARDS
from mixin.generate import RULE_FILES
from mixin.link import UIDS
from mixin.rule import Alert
from mixin.slo import SLOS

ROOT = Path(__file__).parents[2]
ALERTS = [rule for groups in RULE_FILES.values() for group in groups for rule in group.rules if isinstance(rule, Alert)]
HEADINGS = ["## Meaning", "## Impact", "## Diagnosis", "## Mitigation"]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_each_alert_links_a_runbook_and_a_dashboard_that_exist(alert):
    """Whoever is paged has the words, the pages and the queries for it."""
    annotations = alert.as_data()["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url", "dashboard_url"}

    runbook = (ROOT / annotations["runbook_url"]).read_text()
    assert runbook.startswith(f"# {alert.name}\n")
    assert [line for line in runbook.splitlines() if line.startswith("## ")] == HEADINGS

    uid, _, query = annotations["dashboard_url"].removeprefix("/d/").partition("?")
    board = next(board for board in BOARDS if UIDS[board.name] == uid)
    variables = set(re.findall(r"var-(\w+)=", query))
    assert variables <= {variable.name for variable in board.variables}


def test_each_runbook_belongs_to_an_alert_and_each_of_its_queries_parses():
    """No runbook is left over, none is without a query, and none has a query that its language does not have."""
    queries = list(runbooks(ROOT))
    assert {place.where.partition(".md")[0] for place in queries} == {f"runbooks/{alert.name}" for alert in ALERTS}
    assert {path.stem for path in (ROOT / "docs/runbooks").glob("*.md")} == {alert.name for alert in ALERTS}
    for place in queries:
        assert read(place), place


def test_each_slo_has_rules_alerts_and_a_panel():
    """What is promised is recorded over every window, and the dashboard shows its budget."""
    recorded = {place.where for place in places(ROOT) if place.where.startswith("slo.yaml: record")}
    for slo in SLOS:
        for window in ("5m", "30m", "1h", "2h", "6h", "1d", "3d"):
            assert f"slo.yaml: record slo:error_ratio:rate{window} {slo.name}" in recorded
        assert f"slo.yaml: record slo:budget_left:ratio {slo.name}" in recorded
