"""Every scenario on simulated clocks, with the committed rules: its alerts in time, and silence of all others."""

import re

import matrix
import pytest
from alerting import changed_rules, promtool
from shop.scenarios.table import SCENARIOS
from simulated_shop import BEFORE_SECONDS, LASTING_SECONDS, STEP_SECONDS, with_fault

from mixin.generate import ROOT, RULE_FILES, RULES

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

QUERY = 'count by (alertname) (ALERTS{alertstate="firing"})'
MOMENTS = (
    *range(-BEFORE_SECONDS + 300, 0, 300),
    *range(0, LASTING_SECONDS, STEP_SECONDS),
)
"""When to look, in seconds after the fault began."""
_GOT = re.compile(r"time: (\S+),\s+exp: nil\s+got: (.*)")
_UNITS = {"h": 3600, "m": 60, "s": 1}


def fired(directory, name, rules):
    """Return the seconds from a scenario's fault to the first firing of each alert, as promtool computes them.

    promtool only compares; so it is told to expect nothing at each moment, and its complaints say what there is.
    """
    test = {
        "interval": f"{STEP_SECONDS}s",
        "input_series": [{"series": each, "values": values} for each, values in with_fault(name).items()],
        "promql_expr_test": [
            {"expr": QUERY, "eval_time": f"{BEFORE_SECONDS + moment}s", "exp_samples": []} for moment in MOMENTS
        ],
    }
    code, said = promtool(directory, [test], rules, f"{STEP_SECONDS}s")
    assert code in (0, 1), said
    assert (code == 0) == ("got:" not in said), said
    found = {}
    for time, got in _GOT.findall(said):
        seconds = sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([hms])", time)) - BEFORE_SECONDS
        for alert in re.findall(r'alertname="(\w+)"', got):
            found[alert] = min(seconds, found.get(alert, seconds))
    return found


COMMITTED = [ROOT / RULES / file for file in RULE_FILES]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_fires_its_alerts_in_time_and_no_other(tmp_path, name, matrix_line):
    """Each declared alert fires by when it is due, all others are silent, and before the fault all are."""
    seen = fired(tmp_path, name, COMMITTED)
    matrix_line(name, seen)
    assert matrix.mistakes(SCENARIOS[name], seen) == []


MUTATED = [
    ("payments-declined", "OrdersCancelled", "> 0.5", "> 0.05", "before there was a fault"),
    ("memory-leak", "MemoryGrows", "> 1.5", "> 15", "MemoryGrows did not fire"),
    ("stuck-saga", "SagaStuck", "> 120", "> 600", "later than"),
    ("payments-declined", "RetryBudgetSpent", "> 0.1", ">= 0", "should have been silent"),
]


@pytest.mark.parametrize(("name", "alert", "threshold", "mutated", "words"), MUTATED, ids=str)
def test_a_mutated_threshold_turns_the_matrix_red(tmp_path, name, alert, threshold, mutated, words):
    """With another threshold an alert comes too early, too late, not at all, or where it has no place: each is said."""

    def change(expression):
        assert threshold in expression
        return expression.replace(threshold, mutated)

    files = changed_rules(tmp_path, alert, change)
    (found,) = matrix.mistakes(SCENARIOS[name], fired(tmp_path, name, files))
    assert alert in found
    assert words in found
