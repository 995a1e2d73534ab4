import random

import pytest
from simulated_traffic import Behaviour, Traffic

from instrumentation.backend import UnansweredError
from instrumentation.canary.rollout import BLIND_SECONDS, Plan, Rollout


class Watched(Traffic):
    """Simulated traffic that remembers each change of weights, and has trouble when it is told to."""

    def __init__(self, canary=None, rate=100):
        super().__init__(rate, Behaviour(), canary or Behaviour(), random.Random(3))
        self.changes = []
        self.blind_from = self.refuses_from = float("inf")
        self.stumbles = 0
        self.interrupted_at = float("inf")

    def weigh(self, weights):
        if self.stumbles:
            self.stumbles -= 1
            raise UnansweredError("the gateway", "http://g", "timed out")
        if weights["2"] >= self.refuses_from:
            raise UnansweredError("the gateway", "http://g", "422 no replica of version 2", 422)
        super().weigh(weights)
        self.changes.append(weights["2"])

    def series(self, metric, service):
        if self.now >= self.blind_from:
            raise UnansweredError("the console", "http://c", "Connection refused")
        return super().series(metric, service)

    def sleep(self, seconds):
        super().sleep(seconds)
        if self.now >= self.interrupted_at:
            raise KeyboardInterrupt


def rolled(traffic, tell=lambda _progress: None, **plan):
    plan = Plan(service="inventory", stable="1", canary="2", **plan)
    return Rollout(plan, traffic, traffic, tell, traffic.clock, traffic.sleep).run()


def test_a_sound_canary_climbs_step_by_step():
    """It begins at nothing, gets what each step says, and keeps all in the end."""
    traffic, seen = Watched(), []
    outcome = rolled(traffic, seen.append)
    assert (outcome.promoted, outcome.reason, outcome.percent) == (True, "held", 100)
    assert traffic.changes == [0, 5, 25, 50, 100]
    assert [each.percent for each in seen if each.look.verdict == "pass"] == [5, 25, 50, 100]
    assert traffic.told == ("2", "promote", "held")


def test_a_broken_one_goes_back_to_nothing_at_its_first_step():
    """No further step is tried."""
    traffic = Watched(Behaviour(failures=0.3))
    outcome = rolled(traffic)
    assert (outcome.promoted, outcome.reason, outcome.percent) == (False, "failures", 5)
    assert traffic.changes == [0, 5, 0]
    assert traffic.told == ("2", "rollback", "failures")


def test_the_stable_version_is_watched_before_all_calls_are_switched_at_once():
    """A blue-green switch is held against what was there before."""
    traffic, seen = Watched(Behaviour(failures=0.3)), []
    assert rolled(traffic, seen.append, steps=(100.0,)).reason == "failures"
    assert traffic.changes == [0, 100, 0]
    assert seen[0].percent == 0
    assert seen[0].look.stable.calls >= 50
    assert rolled(Watched(), steps=(100.0,)).promoted


def test_too_little_traffic_is_not_held_for_soundness():
    """What could not be told in time goes back, as inconclusive."""
    traffic = Watched(rate=1)
    outcome = rolled(traffic, timeout_seconds=300)
    assert (outcome.promoted, outcome.reason) == (False, "inconclusive")
    assert traffic.weights == {"1": 100, "2": 0}


def test_a_canary_that_nobody_can_watch_goes_back():
    """A source that is away for a moment is waited for, one that stays away is not."""
    traffic = Watched()
    traffic.blind_from = 20
    outcome = rolled(traffic)
    assert (outcome.promoted, outcome.reason) == (False, "blind")
    assert traffic.now < 20 + 2 * BLIND_SECONDS
    assert traffic.weights == {"1": 100, "2": 0}


def test_whoever_stops_it_takes_the_canary_back():
    """Ctrl-C in the middle of a step leaves no canary behind."""
    traffic = Watched()
    traffic.interrupted_at = 30
    with pytest.raises(KeyboardInterrupt):
        rolled(traffic)
    assert traffic.weights == {"1": 100, "2": 0}
    assert traffic.told == ("2", "rollback", "interrupted")


def test_a_gateway_that_stumbles_is_asked_again_and_one_that_refuses_is_believed():
    """Trouble of a moment ends nothing; a refusal does, at once, and is raised as it was said."""
    traffic = Watched(Behaviour(failures=0.3))
    original = traffic.tell

    def stumble(*args):
        original(*args)
        traffic.stumbles = 0

    traffic.tell = stumble
    outcome = rolled(traffic, lambda progress: setattr(traffic, "stumbles", 2 * (progress.look.verdict == "fail")))
    assert (outcome.reason, traffic.weights["2"]) == ("failures", 0)
    refusing = Watched()
    refusing.refuses_from = 25
    with pytest.raises(UnansweredError, match="no replica of version 2"):
        rolled(refusing)
    assert refusing.changes == [0, 5, 0]


def test_nothing_is_begun_where_nothing_can_be_read():
    """Then no weight is touched at all."""
    traffic = Watched()
    traffic.blind_from = 0
    with pytest.raises(UnansweredError, match="Connection refused"):
        rolled(traffic)
    assert traffic.changes == []


def test_a_canary_of_somebody_elses_traffic_is_judged_as_it_is():
    """Without steps, weights stay what they are but for nobody's first call to this one."""
    traffic, seen = Watched(), []
    traffic.weigh({"1": 80, "2": 20})
    traffic.weigh = lambda _weights: None
    outcome = rolled(traffic, seen.append, steps=())
    assert (outcome.promoted, outcome.percent, {each.percent for each in seen}) == (True, None, {None})
    assert traffic.weights == {"1": 80, "2": 20}


@pytest.mark.parametrize("wrong", [{"steps": (50, 25)}, {"steps": (0, 50)}, {"steps": (50, 101)}, {"canary": "1"}])
def test_a_plan_that_makes_no_sense_is_refused(wrong):
    """Steps that do not rise, and versions that are one."""
    with pytest.raises(ValueError, match=r"steps must rise|versions must differ"):
        Plan(**{"service": "s", "stable": "1", "canary": "2", **wrong})
