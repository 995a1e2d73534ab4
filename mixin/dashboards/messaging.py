"""Messages: who publishes what, who processes it, how long it takes and what fails."""

from mixin import link, names, searches
from mixin.board import CHOSEN, Board, Row, service_variables
from mixin.panel import Query, Steps, logs, timeseries
from mixin.promql import present, quantile, rate, share, total

EMPTY = "No message in this time range. Place an order, or is the broker down? See the log records below."
BY = (names.SERVICE, names.DESTINATION)
LEGEND = f"{{{{{names.SERVICE}}}}} {{{{{names.DESTINATION}}}}}"
TO_FAILURES = link.traces("Failed traces", searches.CHOSEN_FAILURES)
TO_SLOW = link.traces("Slow traces", searches.CHOSEN_SLOW)
TO_SERVICE = link.dashboard("Service", "service", service="${__field.labels.service_name}")

PUBLISHED = Row(
    "Published",
    (
        timeseries(
            "Messages published",
            "Messages that producers handed to the broker a second.",
            Query(total(rate(names.SENT.name, *CHOSEN), *BY), LEGEND),
            unit="ops",
            empty=EMPTY,
            links=[TO_SERVICE],
        ),
        timeseries(
            "Publishing failed",
            "Share that the broker did not take. They stay in the outbox and are tried again.",
            Query(
                share(
                    total(rate(names.SENT.name, *CHOSEN, present(names.ERROR)), *BY),
                    total(rate(names.SENT.name, *CHOSEN), *BY),
                ),
                LEGEND,
            ),
            unit="percentunit",
            empty=EMPTY,
            steps=Steps(0.01, 0.1),
            links=[TO_FAILURES],
        ),
        timeseries(
            "Publishing, 95th percentile",
            "Until the broker has stored the message. Each dot is one: click for its trace.",
            Query(quantile(0.95, names.PUBLISH, *CHOSEN, by=BY), LEGEND),
            unit="s",
            empty=EMPTY,
            links=[TO_SLOW],
        ),
    ),
)

PROCESSED = Row(
    "Processed",
    (
        timeseries(
            "Messages processed",
            "Messages that consumers took a second.",
            Query(total(rate(names.CONSUMED.name, *CHOSEN), *BY), LEGEND),
            unit="ops",
            empty=EMPTY,
            links=[TO_SERVICE],
        ),
        timeseries(
            "Processing failed",
            "Share that raised an exception. They are delivered again.",
            Query(
                share(
                    total(rate(names.CONSUMED.name, *CHOSEN, present(names.ERROR)), *BY),
                    total(rate(names.CONSUMED.name, *CHOSEN), *BY),
                ),
                LEGEND,
            ),
            unit="percentunit",
            empty=EMPTY,
            steps=Steps(0.01, 0.1),
            links=[TO_FAILURES],
        ),
        timeseries(
            "Processing, 95th percentile",
            "Each dot is one message: click for its trace.",
            Query(quantile(0.95, names.PROCESS, *CHOSEN, by=BY), LEGEND),
            unit="s",
            empty=EMPTY,
            links=[TO_SLOW],
        ),
    ),
)

FLOW = Row(
    "Flow",
    (
        timeseries(
            "Published and processed",
            "Where processed stays below published messages pile up; where several services subscribe it is above.",
            Query(total(rate(names.SENT.name), names.DESTINATION), f"{{{{{names.DESTINATION}}}}} published"),
            Query(total(rate(names.CONSUMED.name), names.DESTINATION), f"{{{{{names.DESTINATION}}}}} processed"),
            unit="ops",
            width=24,
            empty=EMPTY,
            links=[TO_SERVICE],
        ),
        logs("Warnings and errors", "Of the chosen services.", searches.CHOSEN_PROBLEM_LOGS),
    ),
)

BOARD = Board(
    "messaging",
    "Clew: messaging",
    "Messages: who publishes what, who processes it, how long it takes and what fails.",
    (PUBLISHED, PROCESSED, FLOW),
    service_variables(names.CPU_TIME.name),
)
