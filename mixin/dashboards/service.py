"""One service: rate, errors and duration of its requests, calls and messages, by version."""

from mixin import link, names, searches
from mixin.board import CHOSEN, Board, Row, service_variables
from mixin.metric import Metric
from mixin.panel import NO_TRAFFIC, Panel, Query, Steps, logs, stat, timeseries, traces
from mixin.promql import any_of, present, quantile, rate, share, total

TO_TRACES = link.traces("Slow traces", searches.CHOSEN_SLOW)
TO_FAILURES = link.traces("Failed traces", searches.CHOSEN_FAILURES)
TO_LOGS = link.logs("Log records", searches.CHOSEN_LOGS)
TO_RUNTIME = link.dashboard("Runtime", "runtime", service="$service")
SERVED = (names.HTTP_SERVER, names.RPC_SERVER, names.PROCESS)


def _legend(*labels: str) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in labels)


def _rate(metric: Metric, *labels: str, failed: bool = False) -> str:
    return total(rate(metric.count, *CHOSEN, *([present(names.ERROR)] if failed else [])), *labels)


def _served(*labels: str, failed: bool = False) -> str:
    matchers = (*CHOSEN, present(names.ERROR)) if failed else CHOSEN
    return total(any_of([rate(metric.count, *matchers) for metric in SERVED]), *labels)


def red(metric: Metric, what: str, labels: tuple[str, ...], empty: str) -> tuple[Panel, ...]:
    """Rate, errors and duration of what a histogram counts, apart by labels."""
    legend = _legend(*labels)
    return (
        timeseries(
            f"{what}: rate",
            f"{what} a second.",
            Query(_rate(metric, *labels), legend),
            unit="reqps",
            empty=empty,
            links=[TO_LOGS],
        ),
        timeseries(
            f"{what}: failed",
            "Share that failed. A caller's mistake (4xx, NOT_FOUND) is no failure of the service.",
            Query(share(_rate(metric, *labels, failed=True), _rate(metric, *labels)), legend),
            unit="percentunit",
            empty=empty,
            steps=Steps(0.001, 0.01),
            links=[TO_FAILURES],
        ),
        timeseries(
            f"{what}: 95th percentile",
            "95 of 100 took no longer than this. Each dot is one of them: click for its trace.",
            Query(quantile(0.95, metric, *CHOSEN, by=labels), legend),
            unit="s",
            empty=empty,
            links=[TO_TRACES],
        ),
    )


GLANCE = Row(
    "At a glance",
    (
        stat(
            "Served",
            "HTTP requests, gRPC calls and messages a second.",
            Query(_served()),
            unit="reqps",
            width=6,
            empty=NO_TRAFFIC,
            decimals=1,
        ),
        stat(
            "Failed",
            "Share of what was served that failed.",
            Query(share(_served(failed=True), _served())),
            unit="percentunit",
            width=6,
            steps=Steps(0.001, 0.01),
            links=[TO_FAILURES],
        ),
        stat(
            "95th percentile",
            "95 of 100 are served within this time.",
            Query(quantile(0.95, SERVED, *CHOSEN)),
            unit="s",
            width=6,
            steps=Steps(0.25, 1),
            links=[TO_TRACES],
        ),
        stat(
            "Processor cores used",
            "Average over the rate interval, all instances together.",
            Query(total(rate(names.CPU_TIME.name, *CHOSEN))),
            unit="short",
            width=6,
            decimals=2,
            links=[TO_RUNTIME],
        ),
    ),
)

VERSIONS = Row(
    "Versions side by side",
    (
        timeseries(
            "Served by version",
            "What each version serves a second: how far a roll-out has come.",
            Query(_served(names.SERVICE, names.VERSION), _legend(names.SERVICE, names.VERSION)),
            unit="reqps",
            stacked=True,
        ),
        timeseries(
            "Failed by version",
            "Share that failed: a bad version stands apart.",
            Query(
                share(
                    _served(names.SERVICE, names.VERSION, failed=True),
                    _served(names.SERVICE, names.VERSION),
                ),
                _legend(names.SERVICE, names.VERSION),
            ),
            unit="percentunit",
            links=[TO_FAILURES],
        ),
        timeseries(
            "95th percentile by version",
            "A slower version stands apart.",
            Query(
                quantile(0.95, SERVED, *CHOSEN, by=(names.SERVICE, names.VERSION)),
                _legend(names.SERVICE, names.VERSION),
            ),
            unit="s",
            links=[TO_TRACES],
        ),
    ),
)

ROWS = (
    GLANCE,
    Row(
        "HTTP requests answered",
        red(
            names.HTTP_SERVER,
            "Requests",
            (names.METHOD, names.ROUTE, names.STATUS),
            "This service answers no HTTP request in this time range; see gRPC and messages below.",
        ),
    ),
    Row(
        "gRPC calls answered",
        red(
            names.RPC_SERVER,
            "Calls",
            (names.RPC_METHOD, names.RPC_STATUS),
            "This service answers no gRPC call in this time range.",
        ),
    ),
    Row(
        "Messages processed",
        red(
            names.PROCESS,
            "Messages",
            (names.DESTINATION,),
            "This service processes no message in this time range.",
        ),
    ),
    VERSIONS,
    Row(
        "What it asks of others",
        (
            timeseries(
                "HTTP requests sent: 95th percentile",
                "By server. Each dot is one request: click for its trace.",
                Query(
                    quantile(0.95, names.HTTP_CLIENT, *CHOSEN, by=(names.SERVER_ADDRESS, names.METHOD)),
                    _legend(names.SERVER_ADDRESS, names.METHOD),
                ),
                unit="s",
                empty="This service sends no HTTP request in this time range.",
                links=[TO_TRACES],
            ),
            timeseries(
                "gRPC calls sent: 95th percentile",
                "By method. Each dot is one call: click for its trace.",
                Query(
                    quantile(0.95, names.RPC_CLIENT, *CHOSEN, by=(names.RPC_METHOD, names.RPC_STATUS)),
                    _legend(names.RPC_METHOD, names.RPC_STATUS),
                ),
                unit="s",
                empty="This service sends no gRPC call in this time range.",
                links=[TO_TRACES],
            ),
            timeseries(
                "Messages published: 95th percentile",
                "Until the broker has stored it, by destination.",
                Query(
                    quantile(0.95, names.PUBLISH, *CHOSEN, by=(names.DESTINATION,)),
                    _legend(names.DESTINATION),
                ),
                unit="s",
                empty="This service publishes no message in this time range.",
                links=[link.dashboard("Messaging", "messaging", service="$service")],
            ),
        ),
    ),
    Row(
        "Traces and logs",
        (
            traces("Failed traces", "Newest traces in which this service failed.", searches.CHOSEN_FAILURES, width=12),
            traces(
                "Slow traces", "Newest traces with a span over 250 ms of this service.", searches.CHOSEN_SLOW, width=12
            ),
            logs(
                "Warnings and errors",
                "Of this service. Open a record for the way to its trace.",
                searches.CHOSEN_PROBLEM_LOGS,
            ),
        ),
    ),
)

BOARD = Board(
    "service",
    "Clew: service",
    "One service: rate, errors and duration of its requests, calls and messages; versions side by side.",
    ROWS,
    service_variables(names.CPU_TIME.name),
)
