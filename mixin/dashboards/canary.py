"""Canary: the versions of a service side by side, as whoever calls them sees them, and how the new one was judged."""

from mixin import link, names, searches
from mixin.board import ANY, Board, Row, Variable
from mixin.burn_rate import FAST
from mixin.panel import Column, Query, Steps, logs, stat, table, timeseries, traces
from mixin.promql import equal, highest, increase, like, present, quantile, rate, select, share, total
from mixin.slo import AVAILABILITY, IN_TIME

NO_CALLS = "No calls by version in this time range: the gateway chooses versions where DISCOVERY_URL tells them."
NO_VERDICT = "No version was judged in this time range."
CHOSEN = (like(names.TARGET, "$target"), like(names.TARGET_VERSION, "$version"))
OF_VERSION = like(names.VERSION, "$version")
BY_VERSION = (names.TARGET, names.TARGET_VERSION)
LEGEND = f"{{{{{names.TARGET}}}}} {{{{{names.TARGET_VERSION}}}}}"
BUDGET = round(1 - AVAILABILITY, 6)
"""Share of calls that may fail, as the table of SLOs has it."""
LATE = round(1 - IN_TIME, 6)
"""Share of calls that may take longer than WITHIN_SECONDS."""
PAGES = FAST[0].factor
"""Burn rate from which on somebody is woken."""
WITHIN_SECONDS = 0.25
TO_FAILURES = link.traces("Failed traces", searches.OF_VERSION_FAILURES)
TO_LOGS = link.logs("Log records", searches.OF_VERSION_LOGS)

_CALLS = total(rate(names.TARGET_CALLS.count, *CHOSEN), *BY_VERSION)
_FAILED = share(total(rate(names.TARGET_CALLS.count, *CHOSEN, present(names.ERROR)), *BY_VERSION), _CALLS)
_FAST = total(rate(names.TARGET_CALLS.bucket, *CHOSEN, equal("le", f"{WITHIN_SECONDS:g}")), *BY_VERSION)
_SLOW = f"1 - {_FAST} / ({_CALLS} > 0)"
_P95 = quantile(0.95, names.TARGET_CALLS, *CHOSEN, by=BY_VERSION)
_MEAN = f"{total(rate(names.TARGET_CALLS.sum, *CHOSEN), *BY_VERSION)} / ({_CALLS} > 0)"
_WEIGHT = highest(select(names.TARGET_WEIGHT.name, *CHOSEN), *BY_VERSION)


def _verdicts(verdict: str) -> str:
    return total(increase(names.CANARY_VERDICTS.name, *CHOSEN, equal(names.CANARY_VERDICT, verdict)))


GLANCE = Row(
    "At a glance",
    (
        stat(
            "Rolled back",
            "Versions that were taken out of the traffic in this time range.",
            Query(f"{_verdicts('rollback')} or vector(0)"),
            unit="short",
            width=6,
            decimals=0,
            steps=Steps(1, 1),
            links=[TO_FAILURES],
        ),
        stat(
            "Promoted",
            "Versions that took over in this time range.",
            Query(f"{_verdicts('promote')} or vector(0)"),
            unit="short",
            width=6,
            decimals=0,
        ),
        stat(
            "Replicas known",
            "Of the chosen services, all versions together.",
            Query(f"sum({highest(select(names.TARGET_KNOWN.name, CHOSEN[0]), names.TARGET)})"),
            unit="short",
            width=6,
            decimals=0,
            empty=NO_CALLS,
        ),
        stat(
            "Fastest burn",
            "Of all chosen versions: at 1 the error budget lasts its 30 days, from 14.4 on somebody is woken.",
            Query(f"max({_FAILED}) / {BUDGET:g}"),
            unit="short",
            width=6,
            decimals=1,
            steps=Steps(1, PAGES),
            empty=NO_CALLS,
            links=[TO_FAILURES],
        ),
        table(
            "Versions",
            "What each is to get of the calls, and what came of those it got.",
            names.TARGET_VERSION,
            Column("weight", _WEIGHT, "percentunit"),
            Column("calls a second", _CALLS, "reqps"),
            Column("failed", _FAILED, "percentunit", Steps(BUDGET, PAGES * BUDGET)),
            Column("slower than 250 ms", _SLOW, "percentunit", Steps(LATE, PAGES * LATE)),
            Column("mean", _MEAN, "s"),
            empty=NO_CALLS,
        ),
    ),
)

SIDE_BY_SIDE = Row(
    "Side by side, as the gateway sees them",
    (
        timeseries(
            "Weight",
            "Share of the calls that a version is to get.",
            Query(_WEIGHT, LEGEND),
            unit="percentunit",
            stacked=True,
            empty=NO_CALLS,
        ),
        timeseries(
            "Calls",
            "Share of the calls that a version got, in calls a second.",
            Query(_CALLS, LEGEND),
            unit="reqps",
            stacked=True,
            empty=NO_CALLS,
            links=[TO_LOGS],
        ),
        timeseries(
            "Failed",
            "Share that failed, also where the replica did not answer at all.",
            Query(_FAILED, LEGEND),
            unit="percentunit",
            empty=NO_CALLS,
            steps=Steps(BUDGET, PAGES * BUDGET),
            links=[TO_FAILURES],
        ),
        timeseries(
            "95th percentile",
            "95 of 100 calls took no longer. Each dot is one of them: click for its trace.",
            Query(_P95, LEGEND),
            unit="s",
            empty=NO_CALLS,
            links=[TO_FAILURES],
        ),
        timeseries(
            "Slower than 250 ms",
            "Share of the calls; one of a hundred may be.",
            Query(_SLOW, LEGEND),
            unit="percentunit",
            empty=NO_CALLS,
            steps=Steps(LATE, PAGES * LATE),
        ),
        timeseries(
            "Burn rate",
            "How many times faster than allowed a version uses the error budget of 0.1 % up.",
            Query(f"{_FAILED} / {BUDGET:g}", LEGEND),
            unit="short",
            empty=NO_CALLS,
            steps=Steps(1, PAGES),
            links=[TO_FAILURES],
        ),
    ),
)

REPLICAS = Row(
    "What the replicas say, and the verdicts",
    (
        timeseries(
            "Processor cores used by role",
            "Of the replicas of the chosen versions, by what they were started as.",
            Query(
                total(rate(names.CPU_TIME.name, OF_VERSION), names.SERVICE, names.VERSION, names.ROLE),
                f"{{{{{names.SERVICE}}}}} {{{{{names.VERSION}}}}} {{{{{names.ROLE}}}}}",
            ),
            unit="short",
        ),
        timeseries(
            "Memory by role",
            "Of the largest replica.",
            Query(
                highest(select(names.MEMORY.name, OF_VERSION), names.SERVICE, names.VERSION, names.ROLE),
                f"{{{{{names.SERVICE}}}}} {{{{{names.VERSION}}}}} {{{{{names.ROLE}}}}}",
            ),
            unit="bytes",
        ),
        timeseries(
            "Verdicts",
            "Versions judged, by verdict and reason.",
            Query(
                total(
                    increase(names.CANARY_VERDICTS.name, *CHOSEN, window="5m"),
                    names.TARGET_VERSION,
                    names.CANARY_VERDICT,
                    names.CANARY_REASON,
                ),
                f"{{{{{names.TARGET_VERSION}}}}} {{{{{names.CANARY_VERDICT}}}}} {{{{{names.CANARY_REASON}}}}}",
            ),
            unit="short",
            empty=NO_VERDICT,
        ),
        traces("Failed traces", "Newest traces in which a chosen version failed.", searches.OF_VERSION_FAILURES),
        logs("Warnings and errors", "Of the chosen versions.", searches.OF_VERSION_LOGS),
    ),
)

BOARD = Board(
    "canary",
    "Clew: canary",
    "Whether a new version does worse than the one that is there: calls, failures, duration and burn rate by version.",
    (GLANCE, SIDE_BY_SIDE, REPLICAS),
    (
        Variable("target", "Service", f"label_values({names.TARGET_CALLS.count}, {names.TARGET})", ANY),
        Variable(
            "version",
            "Version",
            f"label_values({select(names.TARGET_CALLS.count, CHOSEN[0])}, {names.TARGET_VERSION})",
            ANY,
        ),
    ),
)
