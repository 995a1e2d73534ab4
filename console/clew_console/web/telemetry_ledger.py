"""What became of the telemetry itself: delivered, waiting, dropped, as the services' ledgers tell."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from clew_console.search.increases import Increase, increases
from clew_console.search.metric_series import metric_series
from clew_console.search.metrics import metric_names
from clew_console.search.time_range import TimeRange
from clew_console.web.page import View
from clew_console.web.pattern_metrics import is_pattern

LEAST = 0.5
STEPS = 20
TITLES = {"span": "Spans", "log": "Log records", "metric_data_point": "Data points", "line": "Log lines on stdout"}

_NAME = re.compile(r"otel\.sdk\.(?:processor|exporter)\.(span|log|metric_data_point)\.(\w+)")
_LEVELS = ("queue", "inflight")
_STDOUT = "stdout"


@dataclass(slots=True)
class Account:
    """One kind of record: how many were delivered, how many wait, how many were dropped for which reason.

    Attributes:
        metric: The metric that tells of it.
        waiting: None where no metric tells.
    """

    title: str
    metric: str
    delivered: float = 0.0
    waiting: float | None = None
    dropped: dict[str, float] = field(default_factory=dict)

    @property
    def is_moved(self) -> bool:
        """Tell whether there is anything to tell."""
        return self.delivered + (self.waiting or 0.0) + sum(self.dropped.values()) >= LEAST

    def add(self, verb: str, grown: Increase) -> None:
        """Add what a counter grew by: with `error.type` that is a loss, of a processor as of an exporter."""
        reason = str(grown.attributes.get("error.type", ""))
        if reason and grown.total >= LEAST:
            self.dropped[reason] = self.dropped.get(reason, 0.0) + grown.total
        elif verb == "exported" and not reason:
            self.delivered += grown.total


def telemetry_ledger(view: View, when: TimeRange) -> list[Account]:
    """Return the accounts with anything in them: spans, log records, data points, lines, and other losses counted."""
    found = dict[str, Account]()
    metrics = {one["name"]: one["type"] for one in metric_names(view.directory) if one["type"] == "sum"}
    for name in metrics:
        if (parts := _NAME.match(name)) is None:
            continue
        kind, verb = parts.groups()
        if verb in _LEVELS:
            account = found.setdefault(kind, Account(TITLES[kind], name))
            account.waiting = (account.waiting or 0.0) + _last(view, name, when)
            continue
        for grown in increases(view.directory, name, when):
            is_line = str(grown.attributes.get("otel.component.type", "")).startswith(_STDOUT)
            account = found.setdefault("line" if is_line else kind, Account(TITLES["line" if is_line else kind], name))
            account.metric = name
            account.add(verb, grown)
    ordered = [found[kind] for kind in TITLES if kind in found]
    return [one for one in (*ordered, *_others(view, when, metrics)) if one.is_moved]


def _last(view: View, name: str, when: TimeRange) -> float:
    """Return the newest value, added up over the services."""
    series = metric_series(view.directory, name, when, "value", most_steps=STEPS).series
    return max(series[0].points[-1][1], 0.0) if series else 0.0


def _others(view: View, when: TimeRange, names: dict[str, str]) -> Iterator[Account]:
    """Yield what else of Clew's own was lost, by the last word of its name: clew.business.undeclared."""
    for name in names:
        if name.startswith("clew.") and not is_pattern(name) and not name.startswith("clew.messaging."):
            total = sum(grown.total for grown in increases(view.directory, name, when))
            yield Account(name, name, dropped={name.rpartition(".")[2]: total})
