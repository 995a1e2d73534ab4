"""What became of the telemetry itself: accepted, delivered, dropped, as the services' ledgers tell."""

from dataclasses import dataclass

from clew_console.search.metric_series import metric_series
from clew_console.search.metrics import metric_names
from clew_console.search.time_range import TimeRange
from clew_console.web.page import View

PREFIXES = ("otel.sdk.", "clew.")
_REASONS = ("error.type", "clew.drop.reason", "reason")


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One counter of the ledger, or the part of it with one reason."""

    name: str
    reason: str
    total: float


def telemetry_ledger(view: View, when: TimeRange) -> list[LedgerLine]:
    """Return the counters that moved, in order of name."""
    lines = list[LedgerLine]()
    for one in metric_names(view.directory):
        if one["type"] == "sum" and one["name"].startswith(PREFIXES):
            found = metric_series(view.directory, one["name"], when, "increase", group_by=_REASONS, most_steps=40)
            for series in found.series:
                reason = next((value for _, value in series.labels if value), "")
                lines.append(LedgerLine(one["name"], reason, sum(value for _, value in series.points)))
    return [one for one in lines if one.total >= 0.5]
