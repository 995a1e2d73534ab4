"""What a scenario is: a fault, the alerts that must fire because of it and by when, and those that may."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from shop.scenarios.stage import Stage


@dataclass(frozen=True, slots=True)
class Due:
    """When an alert must fire at the latest, in seconds after the fault began.

    Attributes:
        seconds: With the rules as they are.
        quick_seconds: With their windows divided by QUICK. None where what must pass first cannot be divided, as the
            age of a saga: then a quick run does not wait for it, and does not mind it.
    """

    seconds: float
    quick_seconds: float | None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One fault.

    Attributes:
        name: For the command line.
        summary: What happens, in a sentence.
        fault: Has it as long as the context lasts.
        fires: Alerts that must fire, by their name. All others must stay silent.
        quick_may: Alerts that a quick run does not mind: with hours in minutes and a load of seconds, chance decides.
    """

    name: str
    summary: str
    fault: Callable[[Stage], AbstractContextManager[object]]
    fires: Mapping[str, Due]
    quick_may: frozenset[str] = field(default_factory=frozenset)


QUICK = 30
"""What a quick run divides the rules' windows and waiting times by."""
