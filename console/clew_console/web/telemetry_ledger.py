"""What became of the telemetry itself: accepted, delivered, dropped, as the services' ledgers tell."""

from dataclasses import dataclass

from clew_console.search.increases import increases
from clew_console.search.metrics import metric_names
from clew_console.search.time_range import TimeRange
from clew_console.web.page import View
from clew_console.web.pattern_metrics import PATTERNS

PREFIXES = ("otel.sdk.", "clew.")
LEVELS = (".queue.size", ".queue.capacity", ".inflight")
LEAST = 0.5

_REASONS = ("error.type", "clew.drop.reason", "reason")


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One counter of the ledger, or the part of it with one reason."""

    name: str
    reason: str
    total: float


def _is_level(name: str) -> bool:
    """Tell what goes up and down, and what is told as a pattern."""
    return name.endswith(LEVELS) or name.startswith(PATTERNS)


def telemetry_ledger(view: View, when: TimeRange) -> list[LedgerLine]:
    """Return the counters that moved, in order of name."""
    totals = dict[tuple[str, str], float]()
    for one in metric_names(view.directory):
        if one["type"] == "sum" and one["name"].startswith(PREFIXES) and not _is_level(one["name"]):
            for grown in increases(view.directory, one["name"], when):
                reason = next((str(grown.attributes[key]) for key in _REASONS if key in grown.attributes), "")
                totals[one["name"], reason] = totals.get((one["name"], reason), 0.0) + grown.total
    return [LedgerLine(*key, total) for key, total in sorted(totals.items()) if total >= LEAST]
