"""The numbers of the first page."""

from dataclasses import dataclass

from clew_console.search.reader import connections
from clew_console.store.directory import Directory
from clew_console.store.span_rows import NS_PER_MINUTE


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
