"""What a run holds, in a few numbers."""

from dataclasses import dataclass, field

from clew_console.search.reader import connections
from clew_console.store.directory import Directory


@dataclass(slots=True)
class RunSummary:
    """Spans, log records and failed requests of a run, and when they were; times are 0 in an empty one."""

    first_ns: int = 0
    last_ns: int = 0
    spans: int = 0
    lines: int = 0
    requests: int = 0
    errors: int = 0
    services: list[str] = field(default_factory=list)


def run_summary(directory: Directory) -> RunSummary:
    """Add up what the segments say of themselves; no block is read."""
    found, services, times = RunSummary(), set[str](), list[int]()
    for reader in connections(directory):
        services.update(service for (service,) in reader.execute("SELECT DISTINCT service FROM resource"))
        for table, rows in (("span_block", "spans"), ("log_block", "records")):
            query = f"SELECT coalesce(sum({rows}), 0), min(start_ns), max(end_ns) FROM {table}"  # noqa: S608 - constants
            count, first_ns, last_ns = reader.execute(query).fetchone()
            times += [one for one in (first_ns, last_ns) if one]
            if table == "span_block":
                found.spans += count
            else:
                found.lines += count
        requests, errors = reader.execute(_REQUESTS).fetchone()
        found.requests += requests
        found.errors += errors
    found.services = sorted(services)
    found.first_ns, found.last_ns = min(times, default=0), max(times, default=0)
    return found


_REQUESTS = "SELECT coalesce(sum(requests), 0), coalesce(sum(errors), 0) FROM operation_minute"
