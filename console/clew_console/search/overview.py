"""The numbers of the first page."""

from collections import Counter
from dataclasses import dataclass, field

from clew_console.search.reader import connections
from clew_console.search.steps import Steps, steps
from clew_console.search.time_range import TimeRange
from clew_console.store.directory import Directory
from clew_console.store.latency import bucket_ns, quantiles
from clew_console.store.rollup import NS_PER_MINUTE

MOST_STEPS = 60


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
    minutes = cut.start_ns // NS_PER_MINUTE, cut.end_ns // NS_PER_MINUTE, cut.step_ns // NS_PER_MINUTE
    spans, tallies = Counter[str](), dict[str, dict[str, dict[int, Tally]]]()
    for reader in connections(directory):
        for (service,) in reader.execute("SELECT DISTINCT service FROM resource"):
            tallies.setdefault(service, {})
        for service, count in reader.execute(_SPANS, minutes[:2]):
            spans[service] += count
        for service, name, index, bucket, requests, errors in reader.execute(_REQUESTS, minutes):
            tally = tallies[service].setdefault(name, {}).setdefault(index, Tally())
            tally.add(requests, errors, {bucket: requests})
    return Overview(cut, tuple(_service(name, spans[name], tallies[name], cut) for name in sorted(tallies)))


_SPANS = "SELECT service, sum(spans) FROM service_minute WHERE minute >= ? AND minute < ? GROUP BY service"
_REQUESTS = """
SELECT o.service, o.name, m.step, m.bucket, m.requests, m.errors FROM (
    SELECT operation_id, (minute - ?1) / ?3 AS step, bucket, sum(requests) AS requests, sum(errors) AS errors
    FROM operation_minute WHERE minute >= ?1 AND minute < ?2 GROUP BY 1, 2, 3
) m JOIN operation o ON o.id = m.operation_id
"""


def _first_ns(directory: Directory) -> int | None:
    minutes = [
        connection.execute("SELECT min(minute) FROM service_minute").fetchone()[0]
        for connection in connections(directory)
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
    for reader in connections(directory):
        for (service,) in reader.execute("SELECT DISTINCT service FROM resource"):
            found.setdefault(service, ServiceCounts(service))
        since = (since_ns // NS_PER_MINUTE,)
        for service, spans in reader.execute(
            "SELECT service, sum(spans) FROM service_minute WHERE minute >= ? GROUP BY service", since
        ):
            found[service].spans += spans
        for service, number, requests, errors in reader.execute(_SINCE, since):
            counts = found[service]
            counts.requests += requests
            counts.errors += errors
            counts.busy_ns += requests * bucket_ns(number)
    return [counts for _, counts in sorted(found.items())]


_SINCE = """
SELECT o.service, m.bucket, sum(m.requests), sum(m.errors) FROM operation_minute m JOIN operation o
ON o.id = m.operation_id WHERE m.minute >= ? GROUP BY o.service, m.bucket
"""
