"""Promises and error budgets: what is left, how fast it goes, and where the bad events are."""

from mixin import link, names, searches
from mixin.board import ANY, Board, Row, Variable
from mixin.burn_rate import ALERTS, BUDGET_LEFT, ERROR_BUDGET, FIRING, SLO, error_ratio
from mixin.panel import Column, Query, Steps, stat, table, timeseries, traces
from mixin.promql import like, present, select

EMPTY = "No rule has been evaluated yet: a minute after the start there is data, if there is traffic."
CHOSEN = like(SLO, "$slo")
TO_FAILURES = link.traces("Failed traces", searches.FAILURES)
TO_SERVICE = link.dashboard("Service", "service", service="${__field.labels.service_name}")
LEGEND = f"{{{{{SLO}}}}}"


def _burn_rate(window: str) -> str:
    return f"{select(error_ratio(window), CHOSEN)} / {select(ERROR_BUDGET, CHOSEN)}"


GLANCE = Row(
    "At a glance",
    (
        stat(
            "Least budget left",
            "Of the chosen SLOs the one that has the least left of its 30 days' budget.",
            Query(f"min({select(BUDGET_LEFT, CHOSEN)})"),
            unit="percentunit",
            width=6,
            empty=EMPTY,
            steps=Steps(0.5, 0.1, low_is_bad=True),
        ),
        stat(
            "Fastest burn, last hour",
            "At 1 the budget lasts exactly 30 days; from 14.4 on somebody is paged.",
            Query(f"max({_burn_rate('1h')})"),
            unit="short",
            width=6,
            empty=EMPTY,
            steps=Steps(1, 14.4),
            decimals=2,
        ),
        stat(
            "Promises broken",
            "SLOs whose budget is used up.",
            Query(f"count({select(BUDGET_LEFT, CHOSEN)} < 0) or vector(0)"),
            unit="short",
            width=6,
            empty=EMPTY,
            steps=Steps(1, 1),
        ),
        stat(
            "Alerts firing",
            "SLO alerts; the runbook is in the alert's annotation `runbook_url`.",
            Query(f"count({select(ALERTS, FIRING, CHOSEN, present(SLO))}) or vector(0)"),
            unit="short",
            width=6,
            steps=Steps(1, 1),
        ),
        table(
            "Promises",
            "The share of bad events that each SLO allows, what there was, and what is left of the budget.",
            SLO,
            Column("may be bad", f"max by ({SLO}, {names.SERVICE}) ({select(ERROR_BUDGET, CHOSEN)})", "percentunit"),
            Column(
                "bad, 5 min", f"max by ({SLO}, {names.SERVICE}) ({select(error_ratio('5m'), CHOSEN)})", "percentunit"
            ),
            Column("bad, 1 h", f"max by ({SLO}, {names.SERVICE}) ({select(error_ratio('1h'), CHOSEN)})", "percentunit"),
            Column(
                "budget left",
                f"max by ({SLO}, {names.SERVICE}) ({select(BUDGET_LEFT, CHOSEN)})",
                "percentunit",
                Steps(0.5, 0.1, low_is_bad=True),
            ),
            height=12,
            empty=EMPTY,
        ),
    ),
)

PACE = Row(
    "Pace",
    (
        timeseries(
            "Budget left",
            "Of 30 days. A straight fall to 0 at the period's end is a budget well used.",
            Query(select(BUDGET_LEFT, CHOSEN), LEGEND),
            unit="percentunit",
            width=12,
            empty=EMPTY,
            links=[TO_SERVICE],
        ),
        timeseries(
            "Burn rate, 1 hour",
            "Together with the one of 5 minutes it pages from 14.4 on.",
            Query(_burn_rate("1h"), LEGEND),
            unit="short",
            width=12,
            empty=EMPTY,
            steps=Steps(1, 14.4),
            links=[TO_FAILURES, TO_SERVICE],
        ),
        timeseries(
            "Burn rate, 5 minutes",
            "Says that it still goes on.",
            Query(_burn_rate("5m"), LEGEND),
            unit="short",
            width=12,
            empty=EMPTY,
            steps=Steps(1, 14.4),
            links=[TO_FAILURES, TO_SERVICE],
        ),
        timeseries(
            "Burn rate, 6 hours",
            "Together with the one of 30 minutes it pages from 6 on.",
            Query(_burn_rate("6h"), LEGEND),
            unit="short",
            width=12,
            empty=EMPTY,
            steps=Steps(1, 6),
            links=[TO_FAILURES, TO_SERVICE],
        ),
        traces("Failed traces", "Newest traces that hold a failed span.", searches.FAILURES),
    ),
)

BOARD = Board(
    "slo",
    "Clew: SLOs",
    "What the shop promises, what is left of the error budgets, and how fast they go.",
    (GLANCE, PACE),
    (Variable("slo", "SLO", f"label_values({ERROR_BUDGET}, {SLO})", ANY),),
)
