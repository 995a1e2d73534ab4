"""Alerts on what users or operators would notice, written by hand; those on SLOs come from their table."""

from mixin import infrastructure as of
from mixin import names
from mixin.burn_rate import FAST
from mixin.promql import any_of, differs, equal, highest, increase, present, rate, select, share, total
from mixin.rule import Alert, Group
from mixin.slo import AVAILABILITY

SERVICE = f"{{{{ $labels.{names.SERVICE} }}}}"


def _grown(name: str, *matchers: str) -> str:
    """Increase of a counter that may be born with its first event, which `increase` does not see."""
    chosen = select(name, *matchers)
    return f"({increase(name, *matchers, window='10m')} > 0 or ({chosen} unless {chosen} offset 10m))"


SILENT = Alert(
    "ServiceSilent",
    f"count by ({names.SERVICE}) (count_over_time({names.MEMORY.name}[15m]))"
    f" unless on ({names.SERVICE}) count by ({names.SERVICE}) (count_over_time({names.MEMORY.name}[3m]))"
    f" unless on () (min_over_time({select(of.UP, equal(of.JOB, of.COLLECTOR))}[3m]) == 0)",
    "1m",
    "page",
    f"{SERVICE} reports nothing any more",
    f"{SERVICE} sent metrics in the last 15 minutes but none in three: it is down, or does not reach the Collector.",
    "runtime",
    {"service": SERVICE},
)

_RECENT_MEMORY = f"min by ({names.SERVICE}, {names.INSTANCE}) (min_over_time({names.MEMORY.name}[3m]))"
_MEMORY_BEFORE = f"max by ({names.SERVICE}, {names.INSTANCE}) (max_over_time({names.MEMORY.name}[3m] offset 15m))"

NOT_PUBLISHED = Alert(
    "MessagesNotPublished",
    share(
        total(rate(names.SENT.name, present(names.ERROR), window="5m"), names.SERVICE),
        total(rate(names.SENT.name, window="5m"), names.SERVICE),
    )
    + " > 0.1",
    "2m",
    "page",
    f"The broker does not take the messages of {SERVICE}",
    f"{{{{ $value | humanizePercentage }}}} of what {SERVICE} publishes fails. Orders wait in the outbox.",
    "messaging",
    {"service": SERVICE},
)

_PLACED = total(
    rate(
        names.HTTP_SERVER.count,
        equal(names.METHOD, "POST"),
        equal(names.ROUTE, "/orders"),
        equal(names.STATUS, "202"),
        window="5m",
    )
)
_SETTLED = total(rate(names.ORDERS_SETTLED.name, window="5m"))
_FIRING_NOT_PUBLISHED = select("ALERTS", equal("alertname", NOT_PUBLISHED.name), equal("alertstate", "firing"))

NOT_SETTLED = Alert(
    "OrdersNotSettled",
    f"({_PLACED} > 0) unless on () ({_SETTLED} > 0) unless on () {_FIRING_NOT_PUBLISHED}",
    "5m",
    "page",
    "Orders are taken but none comes to its end",
    "{{ $value | humanize }} orders a second are placed, none was settled for five minutes: sagas hang.",
    "messaging",
)

CANCELLED = Alert(
    "OrdersCancelled",
    share(
        total(rate(names.ORDERS_SETTLED.name, equal(names.OUTCOME, "cancelled"), window="5m")),
        _SETTLED,
    )
    + " > 0.5",
    "5m",
    "page",
    "Most orders are cancelled",
    "{{ $value | humanizePercentage }} of the settled orders were cancelled: payments decline, or stock is out.",
    "overview",
)

OUTBOX_STALLS = Alert(
    "OutboxStalls",
    f"{highest(names.OUTBOX_OLDEST.name, names.SERVICE)} > 30 unless on () {_FIRING_NOT_PUBLISHED}",
    "0m",
    "page",
    f"Messages of {SERVICE} wait in its outbox",
    "The oldest has waited for {{ $value | humanizeDuration }}: the broker is away, or the relay hangs.",
    "patterns",
    {"service": SERVICE},
)

_FIRING_OUTBOX_STALLS = select("ALERTS", equal("alertname", OUTBOX_STALLS.name), equal("alertstate", "firing"))

SAGA_STUCK = Alert(
    "SagaStuck",
    f"{highest(names.SAGA_OLDEST.name, names.SAGA)} > 120"
    f" unless on () {_FIRING_NOT_PUBLISHED} unless on () {_FIRING_OUTBOX_STALLS}",
    "1m",
    "page",
    f"A saga of {{{{ $labels.{names.SAGA} }}}} does not come to its end",
    "The oldest is under way for {{ $value | humanizeDuration }}: a step brings no answer, nor does its undoing.",
    "patterns",
)

SETTLES_LATE = Alert(
    "OrdersSettleLate",
    "histogram_quantile(0.99, " + total(rate(names.CONSISTENCY_LAG.bucket, window="5m"), "le") + ") > 30",
    "5m",
    "ticket",
    "Orders take long to come to their end",
    "One of a hundred takes longer than {{ $value | humanizeDuration }} until all services agree.",
    "patterns",
)

PUT_ASIDE = Alert(
    "MessagesPutAside",
    f"{total(_grown(names.DEAD_LETTERS.name), names.SERVICE, names.DESTINATION)} > 0",
    "0m",
    "ticket",
    f"{SERVICE} put messages aside",
    f"{{{{ $value | humanize }}}} messages of {{{{ $labels.{names.DESTINATION} }}}} could not be handled by {SERVICE} "
    "and are in the dead-letter queue: what they tell of did not happen.",
    "patterns",
    {"service": SERVICE},
)

BREAKER_OPEN = Alert(
    "BreakerOpen",
    total(rate(names.BREAKER_REJECTED.name, window="3m"), names.SERVICE, names.BREAKER) + " > 0",
    "5m",
    "ticket",
    f"{SERVICE} leaves {{{{ $labels.{names.BREAKER} }}}} alone",
    f"{{{{ $value | humanize }}}} calls a second are refused, or answered from elsewhere, because "
    f"{{{{ $labels.{names.BREAKER} }}}} fails.",
    "patterns",
    {"service": SERVICE},
)

RETRIES_SPENT = Alert(
    "RetryBudgetSpent",
    share(
        total(
            rate(names.RETRY_CALLS.name, equal(names.RETRY_OUTCOME, "budget"), window="5m"), names.SERVICE, names.RETRY
        ),
        total(rate(names.RETRY_CALLS.name, window="5m"), names.SERVICE, names.RETRY),
    )
    + " > 0.1",
    "2m",
    "ticket",
    f"{SERVICE} may not retry its calls to {{{{ $labels.{names.RETRY} }}}} any more",
    "{{ $value | humanizePercentage }} of them failed without a further attempt: more fail than may be retried.",
    "patterns",
    {"service": SERVICE},
)

_VERSION = f"{{{{ $labels.{names.TARGET_VERSION} }}}} of {{{{ $labels.{names.TARGET} }}}}"
_BY_VERSION = (names.TARGET, names.TARGET_VERSION)
_FAILED_OF_VERSION = share(
    total(rate(names.TARGET_CALLS.count, present(names.ERROR), window="5m"), *_BY_VERSION),
    total(rate(names.TARGET_CALLS.count, window="5m"), *_BY_VERSION),
)
_PART = f"{highest(names.TARGET_WEIGHT.name, *_BY_VERSION)} > 0 <= 0.5"
"""Versions that get some of the calls, and not most of them."""

CANARY_BURNS = Alert(
    "CanaryBurns",
    f"(({_FAILED_OF_VERSION}) > {FAST[0].factor:g} * {1 - AVAILABILITY:.6g} and on ({', '.join(_BY_VERSION)}) {_PART})"
    f" > on ({names.TARGET}) group_left () 2 * min by ({names.TARGET}) ({_FAILED_OF_VERSION})",
    "1m",
    "page",
    f"Version {_VERSION} fails, and another does not",
    f"{{{{ $value | humanizePercentage }}}} of the calls to version {_VERSION} fail, more than twice as many as of "
    "another version: those who get it see errors.",
    "canary",
    {"target": f"{{{{ $labels.{names.TARGET} }}}}"},
)

CANARY_ROLLED_BACK = Alert(
    "CanaryRolledBack",
    total(
        _grown(names.CANARY_VERDICTS.name, equal(names.CANARY_VERDICT, "rollback")), *_BY_VERSION, names.CANARY_REASON
    )
    + " > 0",
    "0m",
    "ticket",
    f"Version {_VERSION} was rolled back",
    f"Version {_VERSION} gets no calls any more; the reason is `{{{{ $labels.{names.CANARY_REASON} }}}}`.",
    "canary",
    {"target": f"{{{{ $labels.{names.TARGET} }}}}"},
)

RETRY_STORM = Alert(
    "RetryStorm",
    share(
        total(rate(names.RETRY_RESENDS.name, window="5m"), names.SERVICE, names.RETRY),
        total(rate(names.RETRY_CALLS.name, window="5m"), names.SERVICE, names.RETRY),
    )
    + " > 0.5",
    "2m",
    "page",
    f"{SERVICE} tries its calls to {{{{ $labels.{names.RETRY} }}}} again and again",
    "{{ $value | humanize }} attempts beside the first for each call: what is in trouble gets more load, not less. "
    "The budget of retries is missing, or far too large.",
    "patterns",
    {"service": SERVICE},
)

MEMORY_GROWS = Alert(
    "MemoryGrows",
    f"{_RECENT_MEMORY} > 1.5 * {_MEMORY_BEFORE} and {_RECENT_MEMORY} - {_MEMORY_BEFORE} > {64 * 2**20}",
    "5m",
    "ticket",
    f"An instance of {SERVICE} takes more and more memory",
    f"{{{{ $value | humanize1024 }}}}B are resident in {{{{ $labels.{names.INSTANCE} }}}}, half as much again as a "
    "quarter of an hour ago: a leak, or far more work than usual.",
    "runtime",
    {"service": SERVICE},
)

POOL_EXHAUSTED = Alert(
    "ConnectionPoolExhausted",
    f"{total(f'min_over_time({names.POOL_PENDING.name}[1m])', names.SERVICE, names.POOL)} > 0",
    "2m",
    "page",
    f"{SERVICE} has no connection to its database left",
    f"{{{{ $value }}}} requests wait for a connection of {{{{ $labels.{names.POOL} }}}} all the time: the pool is too "
    "small, or connections are not given back.",
    "database",
    {"service": SERVICE},
)

LOOP_BLOCKED = Alert(
    "EventLoopBlocked",
    f"{highest(names.LOOP_DELAY_MAX.name, names.SERVICE)} > 1",
    "5m",
    "ticket",
    f"Something blocks the event loop of {SERVICE}",
    f"For {{{{ $value | humanizeDuration }}}} at a time {SERVICE} did one thing only: all its requests wait meanwhile.",
    "runtime",
    {"service": SERVICE},
    own_clock=True,
)

LOST = Alert(
    "TelemetryLost",
    total(
        any_of([increase(metric.name, present(names.ERROR), window="10m") for metric in names.LEDGER]),
        names.SERVICE,
        names.ERROR,
    )
    + " > 0",
    "0m",
    "ticket",
    f"{SERVICE} loses telemetry",
    f"{{{{ $value | humanize }}}} records of {SERVICE} dropped in 10 min, reason `{{{{ $labels.{names.ERROR} }}}}`: "
    "what dashboards and alerts say of it is incomplete.",
    "telemetry",
    {"service": SERVICE},
)

_EXPORTER = f"{{{{ $labels.{of.EXPORTER} }}}}"

QUEUE_FILLS = Alert(
    "CollectorQueueFills",
    f"max by ({of.EXPORTER}) ({of.COLLECTOR_QUEUE_SIZE} / {of.COLLECTOR_QUEUE_CAPACITY}) > 0.5",
    "5m",
    "ticket",
    f"The Collector's queue for {_EXPORTER} fills",
    f"{{{{ $value | humanizePercentage }}}} of the queue for {_EXPORTER} is used; full, it turns services away.",
    "telemetry",
)

_FAILED = (of.COLLECTOR_FAILED_SPANS, of.COLLECTOR_FAILED_LOGS, of.COLLECTOR_FAILED_POINTS)


COLLECTOR_LOSES = Alert(
    "CollectorLosesTelemetry",
    f"{total(any_of([_grown(name) for name in _FAILED]), of.EXPORTER)} > 0",
    "0m",
    "ticket",
    f"The Collector gave up records for {_EXPORTER}",
    f"{{{{ $value | humanize }}}} records were refused for good by the backend behind {_EXPORTER} in ten minutes.",
    "telemetry",
)

BACKEND_DOWN = Alert(
    "BackendDown",
    f"{select(of.UP, differs(of.JOB, of.PAGES))} == 0",
    "2m",
    "page",
    f"{{{{ $labels.{of.JOB} }}}} does not answer",
    f"Prometheus cannot scrape {{{{ $labels.{of.JOB} }}}} at {{{{ $labels.instance }}}}: telemetry piles up.",
    "telemetry",
)

GROUPS = (
    Group("services", (SILENT, LOOP_BLOCKED, MEMORY_GROWS, POOL_EXHAUSTED)),
    Group("shop", (NOT_PUBLISHED, NOT_SETTLED, CANCELLED)),
    Group("patterns", (OUTBOX_STALLS, SAGA_STUCK, SETTLES_LATE, PUT_ASIDE, BREAKER_OPEN, RETRIES_SPENT, RETRY_STORM)),
    Group("canary", (CANARY_BURNS, CANARY_ROLLED_BACK)),
    Group("telemetry", (LOST, QUEUE_FILLS, COLLECTOR_LOSES, BACKEND_DOWN)),
)
