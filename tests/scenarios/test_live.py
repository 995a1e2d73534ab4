"""Every scenario on the real shop with a real Prometheus: alerts in time, others silent, and a shop that recovers.

Hours would pass until a burn-rate alert fires, so Prometheus runs on the committed rules with every window, waiting
time and interval divided by QUICK (`python -m mixin.generate --quick`), and a step of a saga is given up after 5 s
instead of 30; names, expressions and thresholds are the same. What cannot be quickened, as the broker client's timeout
of 5 s, makes some alerts come relatively later than in earnest; those that look at such a time are not waited for.
"""

import shutil
import time

import matrix
import pytest
from quick_stack import LOAD_RATE, Scene, quick_plan, sending_to
from shop.invariants import check
from shop.runner import Plan, Shop
from shop.scenarios.stage import Stage
from shop.scenarios.table import SCENARIOS

from stack.native import Backends

pytestmark = [pytest.mark.scenarios, pytest.mark.timeout(900), pytest.mark.xdist_group("stack")]

CALM_WITHIN_SECONDS = 180
WATCH_SECONDS = 10
"""How long nothing else may fire after the last of the expected alerts did."""
CONVERGED_WITHIN_SECONDS = 120


class Staged(Scene):
    """A scene whose shop can be given faults."""

    def __init__(self, shop, backends):
        super().__init__(shop, backends)
        self.stage = Stage(shop, backends.children["otelcol"])

    def forget(self):
        """Begin with an empty Prometheus: what one scenario did to long windows is nothing to the next."""
        self.backends.halt("prometheus")
        shutil.rmtree(self.backends.plan.directory / "prometheus/data")
        self.backends.start_again("prometheus")

    def watched(self, scenario):
        """Watch until all that is due has fired, or is late, and a while longer; return what fired after how long."""
        wanted = {alert: due.quick_seconds for alert, due in scenario.fires.items() if due.quick_seconds is not None}
        began = time.monotonic()
        fired, watched_until = {}, began + max(wanted.values()) + WATCH_SECONDS
        while time.monotonic() < watched_until:
            for alert in {name for name, _ in self.firing()} - fired.keys():
                fired[alert] = time.monotonic() - began
            if wanted.keys() <= fired.keys():
                watched_until = min(watched_until, began + max(map(fired.get, wanted)) + WATCH_SECONDS)
            time.sleep(0.5)
        return fired

    def violations(self):
        """Wait until all orders are final and the sums over all databases hold; return what does not add up."""
        deadline = time.monotonic() + CONVERGED_WITHIN_SECONDS
        while (found := check(self.shop.database_urls)) and time.monotonic() < deadline:
            time.sleep(1)
        return found


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """One shop for all scenarios: that it recovers is part of them."""
    directory = tmp_path_factory.mktemp("scenarios")
    with Backends(quick_plan(directory)) as backends:
        own = {
            "orders": {"STEP_TIMEOUT_SECONDS": "5"},
            "payments": {"DECLINE_SHARE": "0.05"},
            "inventory": {"STOCK_PIECES": "1000000"},
        }
        plan = Plan(
            directory / "shop",
            console=False,
            replicas=2,
            canaries={"inventory": "1.1.0"},
            admin_token="scenarios-of-a-test",
            environment=sending_to(backends),
            service_environment=own,
        )
        with Shop(plan) as shop:
            found = Staged(shop, backends)
            yield found
            found.reader.close()


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_fires_its_alerts_in_time_and_no_other_and_the_shop_recovers(scene, name, matrix_line):
    """Alerts fire by when they are due, no others do; then no order is stuck, lost or doubled, and all adds up."""
    scenario = SCENARIOS[name]
    scene.forget()
    with scene.shop.load(LOAD_RATE):
        scene.wait_until_calm(CALM_WITHIN_SECONDS)
        with scenario.fault(scene.stage):
            fired = scene.watched(scenario)
    matrix_line(name, fired, quick=True)
    print(f"\n{name}: {', '.join(f'{alert} after {seconds:.0f} s' for alert, seconds in fired.items())}", flush=True)
    violations = scene.violations()
    assert (matrix.mistakes(scenario, fired, quick=True), violations) == ([], [])
