"""Sagas, outbox, inbox, idempotency, dead letters: how the reliability patterns do, where a service uses them."""

from clew_console.search.metric_series import metric_series
from clew_console.search.metrics import metric_names
from clew_console.search.time_range import TimeRange
from clew_console.web.application_metrics import STEPS, Counter, Part, counter
from clew_console.web.links import address
from clew_console.web.page import View

PATTERNS = ("clew.saga.", "clew.outbox.", "clew.inbox.", "clew.idempotency.", "clew.dead_letter.")
"""Starts of the metrics' names (instrumentation/semconv.py)."""
MAX_CARDS = 12

_STARTS = ("clew.saga.started", "clew.outbox.stored")
"""Counters whose other end says more."""


def pattern_metrics(view: View, when: TimeRange) -> list[Counter]:
    """Return the patterns' counters that moved and gauges that have a value, in order of name."""
    names = [one for one in metric_names(view.directory) if one["name"].startswith(PATTERNS)]
    found = [_card(view, when, one) for one in names if one["name"] not in _STARTS]
    return [one for one in found if one is not None][:MAX_CARDS]


def _card(view: View, when: TimeRange, metric: dict[str, str]) -> Counter | None:
    if metric["type"] == "sum":
        return counter(view, when, metric["name"], metric["unit"])
    return _gauge(view, when, metric["name"], metric["unit"]) if metric["type"] == "gauge" else None


def _gauge(view: View, when: TimeRange, name: str, unit: str) -> Counter | None:
    """Return the values over time, of which the last is told; of an age the oldest series counts, not their sum."""
    found = metric_series(view.directory, name, when, "value", group_by=("service.name",), most_steps=STEPS)
    by_time = dict[int, list[float]]()
    for series in found.series:
        for start_ns, value in series.points:
            by_time.setdefault(start_ns, []).append(value)
    if not by_time:
        return None
    add = max if unit == "s" else sum
    values = [add(by_time[start_ns]) for start_ns in sorted(by_time)]
    href = address("/metrics", view.period, {"name": name})
    return Counter(name, unit, "", values[-1], [Part("", "plain", values[-1], 1.0, values, href)], href)
