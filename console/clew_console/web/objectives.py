"""Service level objectives, from the table that also generates the alert rules (mixin/slo.py)."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from clew_console.search.metrics import find_points, metric_names
from clew_console.search.time_range import TimeRange
from clew_console.web.links import address
from clew_console.web.page import View

MAX_POINTS = 20_000
LOOK_BACK_NS = 300 * 10**9


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
    ends = dict[str, list[dict[str, Any]]]()
    back = TimeRange(max(when.start_ns - LOOK_BACK_NS, 0), when.end_ns)
    for point in find_points(view.directory, slo["metric"], slo["service"], back, MAX_POINTS):
        attributes = point["attributes"]
        if all(attributes.get(key) == value for key, value in slo["attributes"].items()):
            key = f"{sorted(attributes.items())}{sorted(point['resource'].items())}{point['start_ns']}"
            ends.setdefault(key, []).append(point)
    total = good = 0.0
    for points in ends.values():
        grown = _grown(points, when.start_ns, slo["within_seconds"])
        is_bad = slo["bad_attribute"] is not None and slo["bad_attribute"] in points[0]["attributes"]
        total += grown[0]
        good += 0.0 if is_bad else grown[1]
    return total, good


def _grown(points: list[dict[str, Any]], start_ns: int, within_seconds: float | None) -> tuple[float, float]:
    """Return by how much count and good count of one cumulative series grew since a time."""
    newest = max(points, key=lambda one: one["time_ns"])
    before = [one for one in points if one["time_ns"] < start_ns]
    base = max(before, key=lambda one: one["time_ns"], default=None)
    counts = [(one["count"] or 0, _within(one, within_seconds)) for one in (newest, base) if one is not None]
    first = counts[1] if len(counts) > 1 else (0, 0)
    return float(counts[0][0] - first[0]), float(counts[0][1] - first[1])


def _within(point: dict[str, Any], seconds: float | None) -> int:
    if seconds is None:
        return point["count"] or 0
    buckets = point["buckets"] or {"bounds": [], "counts": []}
    pairs = zip(buckets["bounds"], buckets["counts"], strict=False)
    return sum(count for bound, count in pairs if bound <= seconds)
