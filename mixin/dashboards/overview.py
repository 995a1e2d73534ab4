"""The home dashboard: is the shop alive, does it keep its promises, and where is it slow or failing?"""

from mixin import link, names, searches
from mixin.board import Board, Row
from mixin.burn_rate import ALERTS, BUDGET_LEFT, BURN_RATE_1H, FIRING
from mixin.panel import NO_TRAFFIC, Column, Query, Steps, logs, stat, table, timeseries, traces
from mixin.promql import any_of, increase, present, quantile, rate, select, share, total

SERVED = (names.HTTP_SERVER, names.RPC_SERVER, names.PROCESS)
"""What a service does for others: requests, calls, messages."""
SERVICE = names.SERVICE
TO_SERVICE = link.dashboard("Service", "service", service="${__field.labels.service_name}")
TO_SLO = link.dashboard("SLOs and error budgets", "slo")
TO_TELEMETRY = link.dashboard("Telemetry pipeline", "telemetry")
TO_MESSAGING = link.dashboard("Messaging", "messaging")


def _served(*matchers: str, window: str = "$__rate_interval") -> str:
    return total(any_of([rate(metric.count, *matchers, window=window) for metric in SERVED]), SERVICE)


LOST = total(any_of([increase(metric.name, present(names.ERROR)) for metric in names.LEDGER]))
GATEWAY = total(rate(names.HTTP_SERVER.count))
GATEWAY_FAILED = total(rate(names.HTTP_SERVER.count, present(names.ERROR)))

GLANCE = Row(
    "At a glance",
    (
        stat(
            "Requests",
            "Requests that all HTTP services answer a second. 0 with load running means that nobody gets in.",
            Query(GATEWAY),
            unit="reqps",
            empty=NO_TRAFFIC,
            decimals=1,
            links=[link.dashboard("Services", "service")],
        ),
        stat(
            "Failed requests",
            "Share of HTTP requests that ended in a server error.",
            Query(share(GATEWAY_FAILED, GATEWAY)),
            unit="percentunit",
            steps=Steps(0.001, 0.01),
            links=[link.traces("Failed traces", searches.FAILURES)],
        ),
        stat(
            "95th percentile",
            "95 of 100 HTTP requests are answered within this time.",
            Query(quantile(0.95, names.HTTP_SERVER)),
            unit="s",
            steps=Steps(0.25, 1),
            links=[link.dashboard("Services", "service")],
        ),
        stat(
            "Least error budget left",
            "Of all SLOs the one that has the least left of its 30 days' budget; below 0 the promise is broken.",
            Query(f"min({BUDGET_LEFT})"),
            unit="percentunit",
            steps=Steps(0.5, 0.1, low_is_bad=True),
            links=[TO_SLO],
        ),
        stat(
            "Alerts firing",
            "Each has a runbook: see the annotation `runbook_url` in Alerting.",
            Query(f"count({select(ALERTS, FIRING)}) or vector(0)"),
            unit="short",
            steps=Steps(1, 1),
            links=[TO_SLO],
        ),
        stat(
            "Telemetry lost",
            "Spans, log records, lines and data points that the services could not deliver in this time range.",
            Query(LOST),
            unit="short",
            steps=Steps(1, 100),
            decimals=0,
            links=[TO_TELEMETRY],
        ),
    ),
)

SERVICES = Row(
    "Services",
    (
        table(
            "Services",
            "HTTP requests, gRPC calls and messages that each service served in the last 5 minutes. "
            "Click on a name for its own dashboard.",
            SERVICE,
            Column("served /s", _served(window="5m"), "short"),
            Column(
                "failed",
                share(_served(present(names.ERROR), window="5m"), _served(window="5m")),
                "percentunit",
                Steps(0.001, 0.01),
            ),
            Column(
                "95th percentile",
                quantile(0.95, SERVED, by=(SERVICE,)).replace("$__rate_interval", "5m"),
                "s",
                Steps(0.25, 1),
            ),
            Column("instances", f"count by ({SERVICE}) ({names.MEMORY.name})", "short"),
            links=[link.dashboard("Open ${__value.raw}", "service", service="${__value.raw}")],
        ),
        timeseries(
            "Served",
            "What each service does for others, a second.",
            Query(_served(), f"{{{{{SERVICE}}}}}"),
            unit="reqps",
            links=[TO_SERVICE],
        ),
        timeseries(
            "Failed",
            "Share of what each service served that failed.",
            Query(share(_served(present(names.ERROR)), _served()), f"{{{{{SERVICE}}}}}"),
            unit="percentunit",
            steps=Steps(0.001, 0.01),
            links=[TO_SERVICE],
        ),
        timeseries(
            "95th percentile",
            "Time within which 95 of 100 are served. Each dot is one request: click for its trace.",
            Query(quantile(0.95, SERVED, by=(SERVICE,)), f"{{{{{SERVICE}}}}}"),
            unit="s",
            links=[TO_SERVICE],
        ),
    ),
)

BUSINESS = Row(
    "Orders",
    (
        timeseries(
            "Orders settled",
            "Orders that came to their end, by outcome. Cancelled ones were compensated.",
            Query(total(rate(names.ORDERS_SETTLED.name), names.OUTCOME), f"{{{{{names.OUTCOME}}}}}"),
            unit="ops",
            stacked=True,
            links=[TO_MESSAGING],
        ),
        timeseries(
            "Payments decided",
            "Payments by outcome; the demo declines some on purpose (DECLINE_SHARE).",
            Query(total(rate(names.PAYMENTS_DECIDED.name), names.OUTCOME), f"{{{{{names.OUTCOME}}}}}"),
            unit="ops",
            stacked=True,
            links=[link.dashboard("Payments", "service", service="payments")],
        ),
        timeseries(
            "Stock decided",
            "Reservations by outcome.",
            Query(total(rate(names.RESERVATIONS.name), names.OUTCOME), f"{{{{{names.OUTCOME}}}}}"),
            unit="ops",
            stacked=True,
            links=[link.dashboard("Inventory", "service", service="inventory")],
        ),
    ),
)

PROBLEMS = Row(
    "What goes wrong",
    (
        timeseries(
            "Burn rate",
            "How fast each SLO uses its budget up, over the last hour: at 1 it lasts exactly 30 days.",
            Query(BURN_RATE_1H, "{{slo}}"),
            unit="short",
            width=12,
            steps=Steps(1, 14.4),
            links=[TO_SLO],
        ),
        traces("Failed traces", "Newest traces that hold a failed span.", searches.FAILURES, width=12),
        logs("Warnings and errors", "Of all services. Open a record for the way to its trace.", searches.PROBLEM_LOGS),
    ),
)

BOARD = Board(
    "overview",
    "Clew: overview",
    "Is the shop alive, does it keep its promises, and where is it slow or failing?",
    (GLANCE, SERVICES, BUSINESS, PROBLEMS),
)
