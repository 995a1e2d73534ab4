"""The cue: one scenario that begins, and ends, so many seconds after the shop is ready."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from shop.scenarios.table import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Callable

    from shop.scenarios.board import Scenarios
    from shop.scenarios.scenario import Scenario


class Cue:
    """Begins and ends one scenario in time, counted from when this is made.

    Args:
        scenarios: The board it is switched on.
        name: Of the scenario.
        after_seconds: When it begins.
        lasting_seconds: When it ends, from then; None leaves that to whoever closes the board.
        tell: Takes lines for people.
        clock: In seconds.
    """

    def __init__(
        self,
        scenarios: Scenarios,
        name: str,
        after_seconds: float,
        lasting_seconds: float | None,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scenarios = scenarios
        self._name = name
        self._begins = clock() + after_seconds
        self._lasting_seconds = lasting_seconds
        self._ends: float | None = None
        self._is_over = False
        self._tell = tell
        self._clock = clock

    def act(self) -> None:
        """Do what is due; to be called now and then."""
        if self._is_over or self._clock() < self._begins:
            return
        if self._ends is None:
            self._scenarios.put(self._name, {})
            self._ends = self._clock() + (float("inf") if self._lasting_seconds is None else self._lasting_seconds)
            self._tell(f"scenario {self._name} begins: {SCENARIOS[self._name].summary}")
            self._tell(f"    must fire, and nothing else: {alerts_of(SCENARIOS[self._name])}")
        elif self._clock() >= self._ends:
            self._scenarios.remove(self._name)
            self._is_over = True
            self._tell(f"scenario {self._name} ends")


def alerts_of(scenario: Scenario) -> str:
    """Say which alerts must fire by when."""
    return ", ".join(f"{alert} within {due.seconds:g} s" for alert, due in scenario.fires.items())
