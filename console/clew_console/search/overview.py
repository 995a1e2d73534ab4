"""The numbers of the first page."""

from collections import Counter
from dataclasses import dataclass, field

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from clew_console.search.latency import bucket, quantiles
from clew_console.search.reader import connections
from clew_console.search.scan import scan
from clew_console.search.steps import Steps, steps
from clew_console.search.traces import TimeRange
from clew_console.store.directory import Directory
from clew_console.store.span_rows import NS_PER_MINUTE, duration_ns

MOST_STEPS = 60

_ENTRIES = (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CONSUMER)


@dataclass(frozen=True, slots=True)
class Red:
    """Rate, errors and duration of requests: SERVER and CONSUMER spans that started in one time span.

    The quantiles are good to 5 %, and 0 without a request.
    """

    start_ns: int
    requests: int
    errors: int
    p50_ns: int
    p95_ns: int
    p99_ns: int

    @property
    def error_share(self) -> float:
        """Failed requests of all, 0 to 1."""
        return self.errors / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True)
class OperationOverview:
    """One kind of request of a service, by its span name."""

    name: str
    total: Red


@dataclass(frozen=True, slots=True)
class ServiceOverview:
    """What a service did: in all, per step of the overview, and per operation, the most frequent first."""

    service: str
    spans: int
    total: Red
    steps: tuple[Red, ...]
    operations: tuple[OperationOverview, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """All services in order of name; those that only log or measure have zeros."""

    steps: Steps
    services: tuple[ServiceOverview, ...]


@dataclass(slots=True)
class Tally:
    """Requests being counted."""

    requests: int = 0
    errors: int = 0
    durations: Counter[int] = field(default_factory=Counter)

    def add(self, requests: int, errors: int, durations: dict[int, int]) -> None:
        """Count requests with their durations per bucket."""
        self.requests += requests
        self.errors += errors
        self.durations.update(durations)

    def red(self, start_ns: int) -> Red:
        """Return what was counted."""
        return Red(start_ns, self.requests, self.errors, *quantiles(self.durations, (0.5, 0.95, 0.99)))


def overview(directory: Directory, when: TimeRange, most_steps: int = MOST_STEPS) -> Overview:
    """Return rate, errors and latency per service, per step of whole minutes.

    A range counts with all minutes it touches.
    """
    cut = steps(when, most_steps, shortest_seconds=60, first_ns=_first_ns(directory))
    spans, tallies = Counter[str](), dict[str, dict[str, dict[int, Tally]]]()
    for service in _services(directory):
        tallies[service] = {}
    for found in scan(directory, TimeRange(cut.start_ns, cut.end_ns)):
        span, service = found.span, found.resource.service
        spans[service] += 1
        if span.kind in _ENTRIES:
            per_step = tallies[service].setdefault(span.name, {})
            tally = per_step.setdefault(cut.index(span.start_time_unix_nano), Tally())
            tally.add(1, span.status.code == Status.STATUS_CODE_ERROR, {bucket(duration_ns(span)): 1})
    return Overview(cut, tuple(_service(name, spans[name], tallies[name], cut) for name in sorted(tallies)))


def _services(directory: Directory) -> set[str]:
    return {
        service
        for connection in connections(directory)
        for (service,) in connection.execute("SELECT DISTINCT service FROM resource")
    }


def _first_ns(directory: Directory) -> int | None:
    minutes = [
        connection.execute("SELECT min(minute) FROM minute").fetchone()[0] for connection in connections(directory)
    ]
    return min((minute * NS_PER_MINUTE for minute in minutes if minute is not None), default=None)


def _service(name: str, spans: int, operations: dict[str, dict[int, Tally]], cut: Steps) -> ServiceOverview:
    total, per_step, named = Tally(), [Tally() for _ in range(cut.count)], list[OperationOverview]()
    for operation, per_operation in operations.items():
        own = Tally()
        for index, tally in per_operation.items():
            for one in (total, own, per_step[index]):
                one.add(tally.requests, tally.errors, tally.durations)
        named.append(OperationOverview(operation, own.red(cut.start_ns)))
    named.sort(key=lambda one: (-one.total.requests, one.name))
    reds = tuple(tally.red(start_ns) for tally, start_ns in zip(per_step, cut.times(), strict=True))
    return ServiceOverview(name, spans, total.red(cut.start_ns), reds, tuple(named))


@dataclass(slots=True)
class ServiceCounts:
    """What a service did in the time asked for. A request is a SERVER or CONSUMER span."""

    service: str
    spans: int = 0
    requests: int = 0
    errors: int = 0
    busy_ns: int = 0

    @property
    def mean_ns(self) -> int:
        """Mean duration of its requests, 0 without any."""
        return self.busy_ns // self.requests if self.requests else 0

    @property
    def error_share(self) -> float:
        """Failed requests of all, 0 to 1."""
        return self.errors / self.requests if self.requests else 0.0


def service_counts(directory: Directory, since_ns: int) -> list[ServiceCounts]:
    """Add up the minutes since a time, per service in order of name; services that only log or measure have zeros."""
    found = dict[str, ServiceCounts]()
    for connection in connections(directory):
        for (service,) in connection.execute("SELECT DISTINCT service FROM resource"):
            found.setdefault(service, ServiceCounts(service))
        query = (
            "SELECT service, sum(spans), sum(requests), sum(errors), sum(busy_ns) FROM minute "
            "WHERE minute >= ? GROUP BY service"
        )
        for service, spans, requests, errors, busy_ns in connection.execute(query, (since_ns // NS_PER_MINUTE,)):
            counts = found[service]
            counts.spans += spans
            counts.requests += requests
            counts.errors += errors
            counts.busy_ns += int(busy_ns)
    return [counts for _, counts in sorted(found.items())]
