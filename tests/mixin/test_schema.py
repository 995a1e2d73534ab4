"""What is wrong with a dashboard is said before Grafana has to."""

import copy
import json

import pytest

from mixin.dashboards import BOARDS
from mixin.schema import problems


def overview():
    return json.loads(BOARDS[0].json())


def first(board, kind):
    return next(panel for panel in board["panels"] if panel["type"] == kind)


def overlap(board):
    one, other = [panel for panel in board["panels"] if panel["type"] == "timeseries"][:2]
    other["gridPos"] = {**one["gridPos"], "x": one["gridPos"]["x"] + 1}


MISTAKES = {
    "overlap": overlap,
    "wider than the page": lambda board: board["panels"][2]["gridPos"].update(x=22),
    "is there twice": lambda board: board["panels"][3].update(id=board["panels"][2]["id"]),
    "has no description": lambda board: first(board, "stat").pop("description"),
    "has an empty query": lambda board: first(board, "stat")["targets"][0].update(expr=""),
    "has no query": lambda board: first(board, "stat").update(targets=[]),
    "not provisioned": lambda board: first(board, "logs")["targets"][0]["datasource"].update(uid="Loki"),
    "without exemplars": lambda board: [
        target.update(exemplar=False) for panel in board["panels"] for target in panel.get("targets", [])
    ],
    "says nothing when it is empty": lambda board: first(board, "stat")["fieldConfig"]["defaults"].pop("noValue"),
    "does not exist": lambda board: board["links"][0].update(url="/d/clew-gone"),
    "is not one of link.UIDS": lambda board: board.update(uid="other"),
    "no dashboard in classic form": lambda board: board.update(panels=[{"type": "stat", "gridPos": 3}]),
}


@pytest.mark.parametrize("board", BOARDS, ids=[board.name for board in BOARDS])
def test_dashboards_have_no_problem(board):
    """Each dashboard parses as Grafana's classic form, without overlaps, double ids, dead links or empty queries."""
    assert problems(json.loads(board.json())) == []


@pytest.mark.parametrize("expected", MISTAKES)
def test_a_mistake_is_named(expected):
    """Each mistake that Grafana would hide is named."""
    board = copy.deepcopy(overview())
    MISTAKES[expected](board)
    assert any(expected in problem for problem in problems(board)), problems(board)
