"""Reliability patterns: sagas, outboxes, what comes twice, dead letters, breakers and retries."""

from mixin import link, names, searches
from mixin.board import CHOSEN, Board, Row, service_variables
from mixin.panel import Query, Steps, timeseries
from mixin.promql import differs, highest, quantile, rate, select, share, total

NOTHING = "Nothing of the kind in this time range."
OF_SERVICE = f"{{{{{names.SERVICE}}}}}"
TO_FAILURES = link.traces("Failed traces", searches.CHOSEN_FAILURES)


def _by(*labels: str) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in labels)


SAGAS = Row(
    "Sagas and outboxes",
    (
        timeseries(
            "Sagas ended",
            "Sagas that came to their end a second, by outcome.",
            Query(
                total(rate(names.SAGA_ENDED.name, *CHOSEN), names.SAGA, names.SAGA_OUTCOME),
                _by(names.SAGA, names.SAGA_OUTCOME),
            ),
            unit="ops",
            stacked=True,
            empty=NOTHING,
        ),
        timeseries(
            "Sagas under way",
            "By state: one that only grows names the step that hangs.",
            Query(highest(select(names.SAGA_ACTIVE.name, *CHOSEN), names.SAGA_STATE), _by(names.SAGA_STATE)),
            unit="short",
            stacked=True,
            empty=NOTHING,
        ),
        timeseries(
            "Oldest saga",
            "Its age.",
            Query(highest(select(names.SAGA_OLDEST.name, *CHOSEN), names.SAGA), _by(names.SAGA)),
            unit="s",
            steps=Steps(30, 120),
            empty=NOTHING,
        ),
        timeseries(
            "Until all agree",
            "From the acceptance to the end of a saga. Each dot is one: click for its trace.",
            Query(quantile(0.5, names.CONSISTENCY_LAG, *CHOSEN), "half of them"),
            Query(quantile(0.99, names.CONSISTENCY_LAG, *CHOSEN), "99th percentile"),
            unit="s",
            empty=NOTHING,
        ),
        timeseries(
            "Outbox depth",
            "Messages stored and not yet published.",
            Query(highest(select(names.OUTBOX_DEPTH.name, *CHOSEN), names.SERVICE), OF_SERVICE),
            unit="short",
            empty=NOTHING,
        ),
        timeseries(
            "Oldest in the outbox",
            "Grows while the broker is away.",
            Query(highest(select(names.OUTBOX_OLDEST.name, *CHOSEN), names.SERVICE), OF_SERVICE),
            unit="s",
            steps=Steps(10, 30),
            empty=NOTHING,
        ),
        timeseries(
            "From outbox to broker, 95th percentile",
            "Each dot is one message.",
            Query(quantile(0.95, names.OUTBOX_DELAY, *CHOSEN, by=(names.SERVICE,)), OF_SERVICE),
            unit="s",
            empty=NOTHING,
        ),
    ),
)

TWICE = Row(
    "Delivery",
    (
        timeseries(
            "Backlog",
            "Messages that wait for a group of consumers. Told by several processes: the highest counts.",
            Query(
                highest(select(names.BACKLOG.name, *CHOSEN), names.DESTINATION, names.GROUP),
                _by(names.DESTINATION, names.GROUP),
            ),
            unit="short",
            empty=NOTHING,
        ),
        timeseries(
            "Age of messages, 95th percentile",
            "When their processing began.",
            Query(quantile(0.95, names.MESSAGE_AGE, *CHOSEN, by=(names.SERVICE,)), OF_SERVICE),
            unit="s",
            empty=NOTHING,
        ),
        timeseries(
            "Dead letters",
            "Messages put aside a second: each is in the dead-letter queue, with its trace.",
            Query(
                total(rate(names.DEAD_LETTERS.name, *CHOSEN), names.SERVICE, names.DESTINATION),
                _by(names.SERVICE, names.DESTINATION),
            ),
            unit="ops",
            empty=NOTHING,
            links=[TO_FAILURES],
        ),
        timeseries(
            "Inbox",
            "Messages by outcome: duplicates had their effect before and have none now.",
            Query(
                total(rate(names.INBOX.name, *CHOSEN), names.SERVICE, names.INBOX_OUTCOME),
                _by(names.SERVICE, names.INBOX_OUTCOME),
            ),
            unit="ops",
            empty=NOTHING,
        ),
        timeseries(
            "Requests with an idempotency key",
            "By outcome: replays got the first answer, conflicts were refused.",
            Query(
                total(rate(names.IDEMPOTENCY.name, *CHOSEN), names.SERVICE, names.IDEMPOTENCY_OUTCOME),
                _by(names.SERVICE, names.IDEMPOTENCY_OUTCOME),
            ),
            unit="ops",
            empty=NOTHING,
        ),
    ),
)

CALLS = Row(
    "Breakers and retries",
    (
        timeseries(
            "Breakers that are not closed",
            "1 while one is open or tries whether it may close.",
            Query(
                highest(
                    select(names.BREAKER_STATE.name, *CHOSEN, differs(names.BREAKER_STATE_IS, "closed")),
                    names.SERVICE,
                    names.BREAKER,
                    names.BREAKER_STATE_IS,
                ),
                _by(names.SERVICE, names.BREAKER, names.BREAKER_STATE_IS),
            ),
            unit="short",
            empty=NOTHING,
        ),
        timeseries(
            "Refused and answered from elsewhere",
            "Calls a second that an open breaker refused, and those for which there was a fallback.",
            Query(
                total(rate(names.BREAKER_REJECTED.name, *CHOSEN), names.SERVICE, names.BREAKER),
                f"{_by(names.SERVICE, names.BREAKER)} refused",
            ),
            Query(
                total(rate(names.BREAKER_FALLBACKS.name, *CHOSEN), names.SERVICE, names.BREAKER),
                f"{_by(names.SERVICE, names.BREAKER)} fallback",
            ),
            unit="ops",
            empty=NOTHING,
        ),
        timeseries(
            "Amplification",
            "Attempts for each call; the budget keeps it below 1.2 however much fails.",
            Query(
                "1 + "
                + share(
                    total(rate(names.RETRY_RESENDS.name, *CHOSEN), names.SERVICE, names.RETRY),
                    total(rate(names.RETRY_CALLS.name, *CHOSEN), names.SERVICE, names.RETRY),
                ),
                _by(names.SERVICE, names.RETRY),
            ),
            unit="short",
            steps=Steps(1.1, 1.2),
            empty=NOTHING,
        ),
        timeseries(
            "Calls that gave up",
            "A second, by what allowed no further attempt.",
            Query(
                total(
                    rate(names.RETRY_CALLS.name, *CHOSEN, differs(names.RETRY_OUTCOME, "succeeded")),
                    names.SERVICE,
                    names.RETRY,
                    names.RETRY_OUTCOME,
                ),
                _by(names.SERVICE, names.RETRY, names.RETRY_OUTCOME),
            ),
            unit="ops",
            empty=NOTHING,
            links=[TO_FAILURES],
        ),
    ),
)

BOARD = Board(
    "patterns",
    "Clew: patterns",
    "Which sagas hang, what waits, what came twice, what was given up, which dependency is left alone.",
    (SAGAS, TWICE, CALLS),
    service_variables(names.CPU_TIME.name),
)
