"""Sagas, outbox, inbox, breakers and what else there is: how the reliability patterns do, where a service uses them."""

from dataclasses import replace

from clew_console.search.metric_series import metric_series
from clew_console.search.metrics import metric_names
from clew_console.search.time_range import TimeRange
from clew_console.web.application_metrics import STEPS, Counter, Part, counter
from clew_console.web.links import address
from clew_console.web.page import View

MAX_CARDS = 16
P95 = 0.95

_OTHERS = ("clew.messaging.", "clew.business.", "clew.metric.")
"""What the kit measures under its own name and is no pattern (instrumentation/semconv.py)."""
_STARTS = ("clew.saga.started", "clew.outbox.stored")
"""Counters whose other end says more."""


def is_pattern(name: str) -> bool:
    """Tell whether a metric is one of a reliability pattern: all of the kit's own names but a few."""
    return name.startswith("clew.") and not name.startswith(_OTHERS)


def pattern_metrics(view: View, when: TimeRange) -> list[Counter]:
    """Return the patterns' counters that moved, gauges and p95 that have a value, in order of name."""
    names = [one for one in metric_names(view.directory) if is_pattern(one["name"])]
    found = [_card(view, when, one) for one in names if one["name"] not in _STARTS]
    return [one for one in found if one is not None][:MAX_CARDS]


def _card(view: View, when: TimeRange, metric: dict[str, str]) -> Counter | None:
    if metric["type"] == "sum":
        return counter(view, when, metric["name"], metric["unit"])
    if metric["type"] == "histogram":
        return _histogram(view, when, metric["name"], metric["unit"])
    return _gauge(view, when, metric["name"], metric["unit"]) if metric["type"] == "gauge" else None


def _gauge(view: View, when: TimeRange, name: str, unit: str) -> Counter | None:
    """Return the values over time, of which the last is told; of an age the oldest series counts, not their sum."""
    found = metric_series(view.directory, name, when, "value", group_by=("service.name",), most_steps=STEPS)
    by_time = dict[int, list[float]]()
    for series in found.series:
        for start_ns, value in series.points:
            by_time.setdefault(start_ns, []).append(value)
    add = max if unit == "s" else sum
    return _course(view, name, unit, [add(by_time[start_ns]) for start_ns in sorted(by_time)])


def _histogram(view: View, when: TimeRange, name: str, unit: str) -> Counter | None:
    """Return the p95 over time, of which the last is told."""
    found = metric_series(view.directory, name, when, "quantile", quantile=P95, most_steps=STEPS)
    values = [value for _, value in found.series[0].points] if found.series else []
    card = _course(view, name, unit, values)
    return None if card is None else replace(card, told="p95")


def _course(view: View, name: str, unit: str, values: list[float]) -> Counter | None:
    if not values:
        return None
    href = address("/metrics", view.period, {"name": name})
    return Counter(name, unit, "", values[-1], [Part("", "plain", values[-1], 1.0, values, href)], href)
