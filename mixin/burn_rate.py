"""Recording rules and alerts made of the table of SLOs: how fast each uses its error budget up.

The long window says that it matters, the short one that it still goes on. Source of windows and factors:
https://sre.google/workbook/alerting-on-slos/, multiwindow, multi-burn-rate alerts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mixin import names
from mixin.promql import equal, select
from mixin.rule import Alert, Group, Recording, Severity
from mixin.slo import PERIOD_DAYS, SLOS, Slo

SLO = "slo"
ALERTS = "ALERTS"
ERROR_BUDGET = "slo:error_budget:ratio"
"""Share of events that may be bad."""
BUDGET_LEFT = "slo:budget_left:ratio"
FIRING = equal("alertstate", "firing")
PERIOD = f"{PERIOD_DAYS}d"


def error_ratio(window: str) -> str:
    """Name the recorded share of bad events over a window."""
    return f"slo:error_ratio:rate{window}"


BURN_RATE_1H = f"{error_ratio('1h')} / {ERROR_BUDGET}"


@dataclass(frozen=True, slots=True)
class Burn:
    """A pace of burning that somebody must hear of.

    Attributes:
        long: Window over which it must be exceeded.
        short: Window over which it must be exceeded too.
        factor: How many times faster than a budget that lasts the whole period.
    """

    long: str
    short: str
    factor: float


FAST = (Burn("1h", "5m", 14.4), Burn("6h", "30m", 6))
"""2 % of the budget in an hour, 5 % in six."""
SLOW = (Burn("1d", "2h", 3), Burn("3d", "6h", 1))
"""10 % of the budget in a day or in three."""
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


def groups() -> tuple[Group, ...]:
    """Return all rules of all SLOs."""
    return (*(_recordings(slo) for slo in SLOS), _budgets(), _alerts())


def _recordings(slo: Slo) -> Group:
    labels = {SLO: slo.name, names.SERVICE: slo.service}
    ratios = [Recording(error_ratio(window), slo.error_ratio(window), labels) for window in WINDOWS]
    budget = Recording(ERROR_BUDGET, f"vector({1 - slo.objective:.6g})", labels)
    return Group(f"slo-{slo.name}", (budget, *ratios))


def _budgets() -> Group:
    """Compute what is left of each budget, once a minute: it looks at the whole period."""
    rules = [
        Recording(
            BUDGET_LEFT,
            f"1 - ({slo.error_ratio(PERIOD)}) / {1 - slo.objective:.6g}",
            {SLO: slo.name, names.SERVICE: slo.service},
        )
        for slo in SLOS
    ]
    return Group("slo-budgets", tuple(rules), "1m")


def _alerts() -> Group:
    fast = _alert(
        "SloBudgetBurnsFast",
        "page",
        "2m",
        burning(FAST),
        "at this pace the error budget of 30 days is gone within two to five days",
    )
    already = select(ALERTS, equal("alertname", fast.name), FIRING)
    slow = _alert(
        "SloBudgetBurnsSlowly",
        "ticket",
        "1h",
        f"({burning(SLOW)}) unless on ({SLO}) {already}",
        "more of the error budget is used than comes back; it will be gone before its 30 days are over",
    )
    return Group("slo-alerts", (fast, slow))


def burning(burns: Sequence[Burn]) -> str:
    """Find the SLOs that burn at one of these paces."""
    return " or ".join(
        f"({error_ratio(burn.long)} > {burn.factor:g} * {ERROR_BUDGET}"
        f" and {error_ratio(burn.short)} > {burn.factor:g} * {ERROR_BUDGET})"
        for burn in burns
    )


def _alert(name: str, severity: Severity, lasting: str, expression: str, meaning: str) -> Alert:
    return Alert(
        name,
        expression,
        lasting,
        severity,
        f"{{{{ $labels.{SLO} }}}} burns its error budget",
        f"{{{{ $value | humanizePercentage }}}} of the events of {{{{ $labels.{SLO} }}}} are bad: {meaning}.",
        "slo",
        {SLO: f"{{{{ $labels.{SLO} }}}}"},
    )
