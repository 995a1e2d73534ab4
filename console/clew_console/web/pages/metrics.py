"""Metrics: choose one, see its rate, value or quantiles over time, grouped by a label, with exemplars."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clew_console.search.exemplars import Exemplar, exemplars
from clew_console.search.metric_labels import metric_labels
from clew_console.search.metric_series import MetricSeries, metric_series
from clew_console.search.metrics import metric_names
from clew_console.search.steps import Steps
from clew_console.search.time_range import TimeRange
from clew_console.web.charts.plot import Dot, Label, Plot, Series, line_plot
from clew_console.web.page import Page, View
from clew_console.web.text import clock_text, quantity_text

MAX_LINES = 12
STEPS = 60
DOTS_PER_STEP = 2
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
FUNCTIONS = {
    "quantiles": "p50, p95, p99",
    **{name: name for name in QUANTILES},
    "mean": "mean",
    "rate": "rate a second",
    "increase": "increase",
    "value": "value",
}
_OF_TYPE = {
    "histogram": ("quantiles", "p50", "p95", "p99", "mean", "rate", "increase"),
    "exponential_histogram": ("mean", "rate", "increase"),
    "summary": ("mean", "rate", "increase"),
    "sum": ("value", "rate", "increase"),
    "gauge": ("value",),
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A line with what the table below the chart says of it."""

    series: Series
    labels: dict[str, str]
    least: float
    mean: float
    most: float
    last: float


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be drawn."""

    name: str
    unit: str
    kind: str
    function: str
    by: tuple[str, ...]
    matching: Mapping[str, str]

    def label(self, value: float) -> str:
        """Return a value as the axis names it."""
        unit = "" if self.function == "increase" else self.unit
        return quantity_text(value, unit, a_second=self.function == "rate")


def page(view: View) -> Page:
    """All metrics, and the chart of the one that the parameter `name` chooses."""
    names = metric_names(view.directory)
    chosen = next((one for one in names if one["name"] == view.text("name")), None)
    values: dict[str, Any] = {
        "names": _grouped(names),
        "count": len(names),
        "chosen": chosen,
        "name": view.text("name"),
    }
    if chosen is None:
        return Page("metrics.html", values)
    labels = metric_labels(view.directory, chosen["name"])
    asked = _asked(view, chosen, labels)
    found = _found(view, asked)
    drawn = _drawn(asked, found)
    plot = _plot(view, asked, found[0].steps, drawn)
    chart = {"plot": plot, "drawn": drawn, "label": asked.label, "labels": labels, "by": "".join(asked.by)}
    hidden = sum(len(one.series) + one.dropped for one in found) - len(drawn)
    offered = {key: FUNCTIONS[key] for key in _OF_TYPE.get(asked.kind, ("value",))}
    return Page(
        "metrics.html",
        {**values, **chart, "hidden": hidden, "functions": offered, "fn": asked.function, "matching": asked.matching},
    )


def _asked(view: View, chosen: Mapping[str, Any], labels: Mapping[str, object]) -> Asked:
    name, unit, kind = chosen["name"], chosen["unit"], chosen["type"]
    by = (view.text("by"),) if view.text("by") in labels else ()
    pairs = (text.partition("=") for text in view.parameters.getlist("where"))
    matching = {key: value for key, equals, value in pairs if equals}
    offered = _OF_TYPE.get(kind, ("value",))
    function = view.text("fn") if view.text("fn") in offered else offered[0]
    if kind == "sum" and not view.text("fn"):
        suited = metric_series(view.directory, name, _range(view), most_steps=1).function
        function = suited if suited in offered else function
    return Asked(name, unit, kind, function, by, matching)


def _range(view: View) -> TimeRange:
    return TimeRange(view.period.start_ns, view.period.end_ns)


def _found(view: View, asked: Asked) -> list[MetricSeries]:
    """Return one answer, or one per quantile where all three are drawn."""
    wanted = list(QUANTILES) if asked.function == "quantiles" and not asked.by else [asked.function]
    return [
        metric_series(
            view.directory,
            asked.name,
            _range(view),
            "quantile" if one.startswith(("p", "quantile")) else one,
            quantile=QUANTILES.get(one, 0.95),
            group_by=asked.by,
            filters=asked.matching,
            most_steps=STEPS,
        )
        for one in wanted
    ]


def _drawn(asked: Asked, found: Sequence[MetricSeries]) -> list[Drawn]:
    named = [
        (", ".join(value or "none" for _, value in one.labels) or _name(asked, place), one, answer.steps)
        for place, answer in enumerate(found)
        for one in answer.series[:MAX_LINES]
    ]
    return [
        _one(name, dict(series.labels), series.points, steps, place)
        for place, (name, series, steps) in enumerate(named)
    ]


def _name(asked: Asked, place: int) -> str:
    return list(QUANTILES)[place] if asked.function == "quantiles" else "all"


def _one(name: str, labels: dict[str, str], points: Sequence[tuple[int, float]], steps: Steps, place: int) -> Drawn:
    values = dict(points)
    known = [value for _, value in points]
    series = Series(name, [values.get(time_ns) for time_ns in steps.times()], place % 10)
    return Drawn(series, labels, min(known), sum(known) / len(known), max(known), known[-1])


def _grouped(names: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Group metrics by the first part of their name."""
    groups = dict[str, list[dict[str, Any]]]()
    for one in names:
        groups.setdefault(one["name"].replace("_", ".").partition(".")[0], []).append(one)
    return groups


def _plot(view: View, asked: Asked, steps: Steps, drawn: Sequence[Drawn]) -> Plot:
    label: Label = asked.label
    plot, scale = line_plot(steps, [one.series for one in drawn], label, view.zone)
    known = exemplars(view.directory, asked.name, _range(view), filters=asked.matching)
    is_measured = asked.function not in {"rate", "increase", "value"}
    for one in _spread(steps, known):
        place = scale.place(one.value) if is_measured else _on_line(one, drawn, steps, scale.place)
        x = round(100 * (one.time_ns - steps.start_ns) / (steps.end_ns - steps.start_ns), 2)
        measured = label(one.value) if is_measured else "exemplar"
        title = f"{measured} at {clock_text(one.time_ns, view.zone)}: open its trace"
        href = f"/trace/{one.trace_id}?span={one.span_id}"
        plot.dots.append(Dot(x, min(max(place, 1.0), 99.0), href, title, "exemplar"))
    return plot


def _spread(steps: Steps, known: Iterable[Exemplar]) -> list[Exemplar]:
    """Return at most two of each step, the highest: enough to click on, few enough to see the lines."""
    found = dict[int, list[Exemplar]]()
    for one in sorted(known, key=lambda one: -one.value):
        index = steps.index(one.time_ns)
        of_step = found.setdefault(index, [])
        if 0 <= index < steps.count and len(of_step) < DOTS_PER_STEP and one.trace_id.strip("0"):
            of_step.append(one)
    return sorted((one for of_step in found.values() for one in of_step), key=lambda one: one.time_ns)


def _on_line(one: Exemplar, drawn: Sequence[Drawn], steps: Steps, place: Callable[[float], float]) -> float:
    """Return the height of its line at the exemplar's time: a count has no value of its own to stand at."""
    index = steps.index(one.time_ns)
    own = [line for line in drawn if all(one.labels.get(key) == value for key, value in line.labels.items())]
    return place(max((line.series.values[index] or 0.0 for line in own), default=0.0))
