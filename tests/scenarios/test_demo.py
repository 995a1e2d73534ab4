"""`clew demo --scenario`: a fault begins and ends in time, live ones are switched at a door, and lists are told."""

import pytest
from shop import demo
from shop.scenarios.board import Scenarios
from shop.scenarios.cue import Cue
from shop.scenarios.stage import StageError
from shop.scenarios.table import SCENARIOS


class Stage:
    """Keeps what is done to it, and refuses what it is told to refuse."""

    def __init__(self, refused=""):
        self.faults = []
        self._refused = refused

    def fault(self, service, name, **_parameters):
        stage = self

        class Fault:
            def __enter__(self):
                if service == stage._refused:
                    raise StageError(f"{service} has no admin door: start the shop with one")
                stage.faults.append((service, name))

            def __exit__(self, *_exc):
                stage.faults.remove((service, name))

        return Fault()


def test_a_scenario_begins_and_ends_in_time():
    """It is there from its beginning to its end and at no other time, and both are told."""
    stage, now, said = Stage(), [100.0], []
    with Scenarios(stage) as scenarios:
        cue = Cue(scenarios, "payments-declined", 15, 60, said.append, lambda: now[0])
        seen = {}
        for seconds in (0, 14, 15, 16, 74, 75, 76, 200):
            now[0] = 100.0 + seconds
            cue.act()
            seen[seconds] = len(stage.faults)
    assert seen == {0: 0, 14: 0, 15: 1, 16: 1, 74: 1, 75: 0, 76: 0, 200: 0}
    assert len(said) == 3
    assert "OrdersCancelled within 480 s" in said[1]


def test_the_board_begins_each_once_and_ends_all_at_its_end():
    """A scenario that is on stays one fault; leaving undoes what is left."""
    stage = Stage()
    with Scenarios(stage) as scenarios:
        scenarios.put("payments-declined", {})
        scenarios.put("payments-declined", {})
        scenarios.put("pool-exhausted", {})
        assert stage.faults == [("payments", "decline"), ("orders", "hold")]
        scenarios.remove("pool-exhausted")
        assert [name for name, on in scenarios.read().items() if on] == ["payments-declined"]
    assert stage.faults == []


def test_what_a_board_refuses_is_said_and_leaves_nothing():
    """An unknown scenario, a parameter, and a process that refuses: what had begun is undone."""
    stage = Stage(refused="orders")
    with Scenarios(stage) as scenarios:
        with pytest.raises(KeyError):
            scenarios.put("flood", {})
        with pytest.raises(ValueError, match="no parameters"):
            scenarios.put("payments-declined", {"seconds": 1})
        with pytest.raises(ValueError, match="orders has no admin door"):
            scenarios.put("retry-storm", {})
        assert stage.faults == []
        assert not any(scenarios.read().values())


def test_the_list_tells_every_scenario(capsys):
    """`--list-scenarios` names each, what happens, and what must fire."""
    assert demo.main(["--list-scenarios"]) == 0
    said = capsys.readouterr().out
    for scenario in SCENARIOS.values():
        assert f"{scenario.name}\n    {scenario.summary}\n" in said
        assert all(f"{alert} within" in said for alert in scenario.fires)


def test_an_unknown_scenario_is_refused_with_those_there_are(capsys):
    """A mistake starts nothing and says what can be chosen."""
    with pytest.raises(SystemExit):
        demo.main(["--scenario", "flood"])
    assert "'broker-down'" in capsys.readouterr().err
