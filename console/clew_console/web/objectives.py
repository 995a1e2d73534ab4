"""Service level objectives, from the table that also generates the alert rules (mixin/slo.py)."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from clew_console.search.increases import increases
from clew_console.search.metrics import metric_names
from clew_console.search.time_range import TimeRange
from clew_console.web.links import address
from clew_console.web.page import View


@dataclass(frozen=True, slots=True)
class ObjectiveState:
    """An objective in the time of the page. Of the error budget 1 is left when nothing failed, 0 when it is used up."""

    title: str
    service: str
    target: float
    requests: float
    share: float
    href: str

    @property
    def budget_left(self) -> float:
        """Return the part of the error budget that is left, at least 0."""
        return max(1 - (1 - self.share) / (1 - self.target), 0.0)

    @property
    def is_missed(self) -> bool:
        """Whether fewer requests were good than the target asks."""
        return self.share < self.target


@cache
def table() -> tuple[dict[str, Any], ...]:
    """Return the objectives; none where the table is not installed."""
    path = files("clew_console") / "data" / "slo.json"
    return tuple(json.loads(path.read_text())["slos"]) if path.is_file() else ()


def objectives(view: View, when: TimeRange) -> list[ObjectiveState]:
    """Return the objectives for which there were requests, those missed first."""
    known = {one["name"] for one in metric_names(view.directory)}
    found = [_state(view, when, one) for one in table() if one["metric"] in known]
    measured = [one for one in found if one is not None]
    return sorted(measured, key=lambda one: (one.budget_left, one.title))


def _state(view: View, when: TimeRange, slo: dict[str, Any]) -> ObjectiveState | None:
    total, good = _counted(view, when, slo)
    if total <= 0:
        return None
    parameters = {"name": slo["metric"], "where": f"service.name={slo['service']}"}
    href = address("/metrics", view.period, parameters)
    return ObjectiveState(slo["title"], slo["service"], slo["objective"], total, good / total, href)


def _counted(view: View, when: TimeRange, slo: dict[str, Any]) -> tuple[float, float]:
    """Return how many requests there were, and how many of them were good."""
    total = good = 0.0
    for one in increases(view.directory, slo["metric"], when):
        if one.service == slo["service"] and slo["attributes"].items() <= one.attributes.items():
            total += one.total
            is_bad = slo["bad_attribute"] is not None and slo["bad_attribute"] in one.attributes
            within = slo["within_seconds"]
            good += 0.0 if is_bad else one.total if within is None else one.within(within)
    return total, good
