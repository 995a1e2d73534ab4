"""The telemetry pipeline itself: what services deliver and lose, the Collector's queues, and the backends behind."""

from mixin import infrastructure as of
from mixin import link, names
from mixin.board import CHOSEN, Board, Row, service_variables
from mixin.metric import Metric
from mixin.panel import Panel, Query, Steps, stat, timeseries
from mixin.promql import absent, any_of, increase, present, rate, select, total

NO_KIT = "No service reports its ledger. Is OTEL_EXPORTER_OTLP_ENDPOINT set, and does the Collector answer there?"
NO_COLLECTOR = "Prometheus does not scrape the Collector: see `up` below."
NO_BACKEND = "Prometheus does not scrape this backend: see `up` below."
BY_REASON = f"{{{{{names.SERVICE}}}}} {{{{{names.ERROR}}}}}"
SERVICE = f"{{{{{names.SERVICE}}}}}"
EXPORTER = f"{{{{{of.EXPORTER}}}}}"
TO_RUNTIME = link.dashboard("Runtime", "runtime", service="${__field.labels.service_name}")
TO_SERVICE = link.dashboard("Service", "service", service="${__field.labels.service_name}")


def _delivered(what: str, metric: Metric) -> Panel:
    """Show what an exporter delivered, by service."""
    return timeseries(
        f"{what} delivered",
        f"{what} that the receiver acknowledged, a second.",
        Query(
            total(rate(metric.name, *CHOSEN, absent(names.ERROR)), names.SERVICE, names.COMPONENT),
            f"{SERVICE} {{{{{names.COMPONENT}}}}}",
        ),
        unit="ops",
        empty=NO_KIT,
        links=[TO_SERVICE],
    )


def _lost(*metrics: Metric) -> str:
    return any_of([increase(metric.name, *CHOSEN, present(names.ERROR)) for metric in metrics])


LOSS = Row(
    "Loss",
    (
        stat(
            "Lost by services",
            "Spans, log records, lines and data points that services dropped in this time range, for whatever reason.",
            Query(total(_lost(*names.LEDGER))),
            unit="short",
            width=6,
            empty=NO_KIT,
            steps=Steps(1, 100),
            decimals=0,
        ),
        stat(
            "Refused by the Collector",
            "Records that the Collector turned away in this time range: its memory or queues were full. "
            "Services keep them and try again.",
            Query(
                total(
                    any_of(
                        [
                            increase(name)
                            for name in (
                                of.COLLECTOR_REFUSED_SPANS,
                                of.COLLECTOR_REFUSED_LOGS,
                                of.COLLECTOR_REFUSED_POINTS,
                            )
                        ]
                    )
                )
            ),
            unit="short",
            width=6,
            empty=NO_COLLECTOR,
            steps=Steps(1, 1000),
            decimals=0,
        ),
        stat(
            "Given up by the Collector",
            "Records that a backend refused for good in this time range.",
            Query(
                total(
                    any_of(
                        [
                            increase(name)
                            for name in (
                                of.COLLECTOR_FAILED_SPANS,
                                of.COLLECTOR_FAILED_LOGS,
                                of.COLLECTOR_FAILED_POINTS,
                            )
                        ]
                    )
                )
                # The series come with the first loss.
                + f" or {total(of.COLLECTOR_QUEUE_SIZE)} * 0"
            ),
            unit="short",
            width=6,
            empty=NO_COLLECTOR,
            steps=Steps(1, 100),
            decimals=0,
        ),
        stat(
            "Rules that fail",
            "Evaluations of recording and alert rules that failed in this time range.",
            Query(total(increase(of.RULE_FAILURES))),
            unit="short",
            width=6,
            empty=NO_BACKEND,
            steps=Steps(1, 1),
            decimals=0,
        ),
    ),
)

SERVICES = Row(
    "In the services",
    (
        _delivered("Spans", names.SPANS_EXPORTED),
        _delivered("Log records", names.LOGS_EXPORTED),
        _delivered("Data points", names.POINTS_EXPORTED),
        timeseries(
            "Waiting",
            "Spans and log records that wait or are being sent. A line that only rises will end in a loss.",
            Query(total(select(names.SPANS_QUEUED.name, *CHOSEN), names.SERVICE), f"{SERVICE} spans"),
            Query(total(select(names.LOGS_QUEUED.name, *CHOSEN), names.SERVICE), f"{SERVICE} log records"),
            unit="short",
            width=12,
            empty=NO_KIT,
            links=[TO_RUNTIME],
        ),
        timeseries(
            "Lost, by reason",
            "queue_full: more than fits into memory. rejected: the receiver refused. timeout: not delivered in time.",
            Query(
                total(
                    any_of([rate(metric.name, *CHOSEN, present(names.ERROR)) for metric in names.LEDGER]),
                    names.SERVICE,
                    names.ERROR,
                ),
                BY_REASON,
            ),
            unit="ops",
            width=12,
            empty=NO_KIT,
            links=[TO_RUNTIME],
        ),
    ),
)

COLLECTOR = Row(
    "In the Collector",
    (
        timeseries(
            "Accepted",
            "Records taken from services, a second.",
            Query(total(rate(of.COLLECTOR_ACCEPTED_SPANS)), "spans"),
            Query(total(rate(of.COLLECTOR_ACCEPTED_LOGS)), "log records"),
            Query(total(rate(of.COLLECTOR_ACCEPTED_POINTS)), "data points"),
            unit="ops",
            empty=NO_COLLECTOR,
        ),
        timeseries(
            "Sent",
            "Records that the backends took, a second.",
            Query(total(rate(of.COLLECTOR_SENT_SPANS), of.EXPORTER), f"{EXPORTER} spans"),
            Query(total(rate(of.COLLECTOR_SENT_LOGS), of.EXPORTER), f"{EXPORTER} log records"),
            Query(total(rate(of.COLLECTOR_SENT_POINTS), of.EXPORTER), f"{EXPORTER} data points"),
            unit="ops",
            empty=NO_COLLECTOR,
        ),
        timeseries(
            "Queues",
            "Share of each queue in use. They are on disk: a restart loses nothing. At 100 % services are turned away.",
            Query(
                f"max by ({of.EXPORTER}, {of.DATA_TYPE}) ({of.COLLECTOR_QUEUE_SIZE} / {of.COLLECTOR_QUEUE_CAPACITY})",
                f"{EXPORTER} {{{{{of.DATA_TYPE}}}}}",
            ),
            unit="percentunit",
            empty=NO_COLLECTOR,
            steps=Steps(0.5, 0.9),
        ),
    ),
)

BACKENDS = Row(
    "In the backends",
    (
        timeseries(
            "Up",
            "1 where Prometheus can scrape; 0 where it cannot.",
            Query(f"min by ({of.JOB}) ({of.UP})", f"{{{{{of.JOB}}}}}"),
            unit="short",
            empty="Prometheus scrapes nothing: see its configuration.",
        ),
        timeseries(
            "Loki: lines",
            "Log records received a second.",
            Query(total(rate(of.LOKI_LINES)), "received"),
            unit="ops",
            empty=NO_BACKEND,
        ),
        timeseries(
            "Loki: streams",
            "Streams in memory. Many small ones make Loki slow: too many labels.",
            Query(total(of.LOKI_STREAMS), "in memory"),
            unit="short",
            empty=NO_BACKEND,
        ),
        timeseries(
            "Tempo: spans",
            "Spans received a second.",
            Query(total(rate(of.TEMPO_SPANS)), "received"),
            unit="ops",
            empty=NO_BACKEND,
        ),
        timeseries(
            "Prometheus: series",
            "Series in memory. A jump is a label with too many values.",
            Query(of.HEAD_SERIES, "series"),
            unit="short",
            empty=NO_BACKEND,
        ),
        timeseries(
            "Prometheus: samples and exemplars",
            "Samples a second, and exemplars kept: each is a way from a panel to a trace.",
            Query(total(rate(of.SAMPLES_APPENDED)), "samples /s"),
            Query(total(of.EXEMPLARS), "exemplars kept"),
            unit="short",
            empty=NO_BACKEND,
        ),
    ),
)

BOARD = Board(
    "telemetry",
    "Clew: telemetry pipeline",
    "Is what the other dashboards show complete? What services deliver and lose, queues, backends.",
    (LOSS, SERVICES, COLLECTOR, BACKENDS),
    service_variables(names.CPU_TIME.name),
)
