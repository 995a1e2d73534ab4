"""Scenarios are declared whole: what the alerts are called, when they are due, and what the matrix says of it."""

import matrix
import pytest
from shop.scenarios.scenario import Due, Scenario
from shop.scenarios.table import SCENARIOS
from simulated_shop import FAULTS, healthy

from mixin.generate import ROOT

ASKED_FOR = {
    "payments-failing",
    "payments-slow",
    "inventory-down",
    "broker-down",
    "pool-exhausted",
    "memory-leak",
    "event-loop-blocked",
    "poison-message",
    "stuck-saga",
    "retry-storm",
    "bad-canary",
    "collector-down",
}


def test_every_fault_that_matters_has_a_scenario_and_each_is_simulated():
    """No scenario is left out of the simulated matrix, and none is simulated that does not exist."""
    assert SCENARIOS.keys() >= ASKED_FOR
    assert len(SCENARIOS) >= 12
    assert FAULTS.keys() == SCENARIOS.keys()
    for name, changed in FAULTS.items():
        assert any(changed.get(each) != values for each, values in healthy().items()) or changed.keys() - healthy(), (
            name
        )


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_each_scenario_fires_alerts_that_exist(scenario):
    """Every alert that is declared is in the rules, and none is due before its own waiting time is over."""
    assert scenario.fires
    assert scenario.fires.keys() | scenario.quick_may <= matrix.ALERTS.keys()
    assert not scenario.fires.keys() & scenario.quick_may
    for name, due in scenario.fires.items():
        lasting = matrix.ALERTS[name].lasting
        assert due.seconds > int(lasting[:-1]) * {"s": 1, "m": 60, "h": 3600}[lasting[-1]], name


def test_the_page_has_the_table_of_what_is_declared():
    """docs/scenarios.md says what the declarations say."""
    page = (ROOT / "docs/scenarios.md").read_text()
    assert matrix.placed(page, "declared", matrix.declared(SCENARIOS)) == page


SLOW = Scenario("slow", "", lambda stage: stage, {"Late": Due(60, 30), "Aged": Due(200, None)}, frozenset({"Perhaps"}))


@pytest.mark.parametrize(
    ("fired", "quick", "words"),
    [
        ({"Late": 60, "Aged": 100}, False, []),
        ({"Late": 61, "Aged": 100}, False, ["Late fired after 61 s, later than 60"]),
        ({"Aged": 100}, False, ["Late did not fire"]),
        ({"Late": 9, "Aged": 100, "Perhaps": 5}, False, ["Perhaps fired after 5 s and should have been silent"]),
        ({"Late": -30, "Aged": 100}, False, ["Late fired 30 s before there was a fault"]),
        ({"Late": 30}, True, []),
        ({"Late": 30, "Aged": 500, "Perhaps": 5}, True, []),
        ({"Late": 31}, True, ["Late fired after 31 s, later than 30"]),
    ],
)
def test_what_is_not_as_declared_is_said(fired, quick, words):
    """Late, missing, early and surplus alerts are each a mistake; a quick run minds less."""
    assert matrix.mistakes(SLOW, fired, quick=quick) == words


def test_the_page_keeps_what_was_not_run_again():
    """A run of one scenario changes its line alone, and lines are in the order of the declarations."""
    page = "<!-- live -->\n<!-- end of live -->\nmore"
    two = {"slow": SLOW, "other": SLOW}
    page = matrix.told(page, "live", two, {"other": {"Late": 7.6}, "slow": {"Late": 5, "Aged": 2}}, quick=True)
    page = matrix.told(page, "live", two, {"other": {"Late": 9}}, quick=True)
    assert page.splitlines()[3:] == [
        "| `slow` | Aged (2), Late 5 |",
        "| `other` | Late 9 |",
        "<!-- end of live -->",
        "more",
    ]
