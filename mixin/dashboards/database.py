"""Databases as their clients see them: queries by operation and table, and the pools of connections."""

from mixin import link, names, searches
from mixin.board import CHOSEN, Board, Row, service_variables
from mixin.panel import Query, Steps, timeseries, traces
from mixin.promql import equal, increase, present, quantile, rate, select, share, total

EMPTY = "No query in this time range. Does the service use SQLAlchemy, and has it been asked for something?"
NO_POOL = "No pool of connections reports. Pools show once SQLAlchemy makes an engine after `instrument()`."
BY = (names.SERVICE, names.DB_OPERATION, names.DB_TABLE)
LEGEND = f"{{{{{names.SERVICE}}}}} {{{{{names.DB_OPERATION}}}}} {{{{{names.DB_TABLE}}}}}"
POOL = (names.SERVICE, names.POOL)
POOL_LEGEND = f"{{{{{names.SERVICE}}}}} {{{{{names.POOL}}}}}"
TO_SLOW = link.traces("Slow traces", searches.CHOSEN_SLOW)
TO_FAILURES = link.traces("Failed traces", searches.CHOSEN_FAILURES)
TO_SERVICE = link.dashboard("Service", "service", service="${__field.labels.service_name}")

QUERIES = Row(
    "Queries",
    (
        timeseries(
            "Queries",
            "Queries a second, by operation and table. Many more than requests are an N+1.",
            Query(total(rate(names.DB_QUERIES.count, *CHOSEN), *BY), LEGEND),
            unit="ops",
            empty=EMPTY,
            links=[TO_SERVICE],
        ),
        timeseries(
            "Queries failed",
            "Share that the database or its driver refused.",
            Query(
                share(
                    total(rate(names.DB_QUERIES.count, *CHOSEN, present(names.ERROR)), names.SERVICE),
                    total(rate(names.DB_QUERIES.count, *CHOSEN), names.SERVICE),
                ),
                f"{{{{{names.SERVICE}}}}}",
            ),
            unit="percentunit",
            empty=EMPTY,
            steps=Steps(0.001, 0.01),
            links=[TO_FAILURES],
        ),
        timeseries(
            "Query, 95th percentile",
            "95 of 100 took no longer. Each dot is one query in a trace: click for it.",
            Query(quantile(0.95, names.DB_QUERIES, *CHOSEN, by=BY), LEGEND),
            unit="s",
            empty=EMPTY,
            links=[TO_SLOW],
        ),
    ),
)

POOLS = Row(
    "Pools of connections",
    (
        timeseries(
            "Connections in use",
            "When it reaches the pool's maximum, the next request waits.",
            Query(total(select(names.POOL_COUNT.name, *CHOSEN, equal(names.POOL_STATE, "used")), *POOL), POOL_LEGEND),
            unit="short",
            empty=NO_POOL,
            links=[TO_SERVICE],
        ),
        timeseries(
            "Requests that wait",
            "For a connection. Above 0 for long, the pool is too small, or connections are held too long.",
            Query(total(select(names.POOL_PENDING.name, *CHOSEN), *POOL), POOL_LEGEND),
            unit="short",
            empty=NO_POOL,
            steps=Steps(1, 5),
            links=[TO_SERVICE],
        ),
        timeseries(
            "Waited in vain",
            "Requests that got no connection within the pool's timeout, in this time range.",
            Query(total(increase(names.POOL_TIMEOUTS.name, *CHOSEN), *POOL), POOL_LEGEND),
            unit="short",
            empty=NO_POOL,
            steps=Steps(1, 1),
            links=[TO_FAILURES],
        ),
        timeseries(
            "Wait for a connection, 95th percentile",
            "Time from asking the pool to having a connection.",
            Query(quantile(0.95, names.POOL_WAIT, *CHOSEN, by=POOL), POOL_LEGEND),
            unit="s",
            width=12,
            empty=NO_POOL,
            links=[TO_SLOW],
        ),
        timeseries(
            "Use of a connection, 95th percentile",
            "Time from taking a connection to giving it back. Long ones starve the others.",
            Query(quantile(0.95, names.POOL_USE, *CHOSEN, by=POOL), POOL_LEGEND),
            unit="s",
            width=12,
            empty=NO_POOL,
            links=[TO_SLOW],
        ),
        traces("Slow traces", "Newest traces with a span over 250 ms of the chosen services.", searches.CHOSEN_SLOW),
    ),
)

BOARD = Board(
    "database",
    "Clew: databases and pools",
    "Databases as their clients see them: queries by operation and table, pools of connections.",
    (QUERIES, POOLS),
    service_variables(names.DB_QUERIES.count),
)
