"""What the first page shows of a service: its overview as series."""

from dataclasses import dataclass

from clew_console.search.overview import Overview, Red, ServiceOverview


@dataclass(frozen=True, slots=True)
class ServiceSeries:
    """A service with its requests, failures and p95 per step; p95 is None where nothing was asked."""

    service: str
    total: Red
    requests: list[int]
    errors: list[int]
    p95_ns: list[int | None]


@dataclass(frozen=True, slots=True)
class FailingOperation:
    """Requests of one name of which some failed."""

    service: str
    name: str
    total: Red


def service_series(one: ServiceOverview) -> ServiceSeries:
    """Return the service's steps as series."""
    return ServiceSeries(
        one.service,
        one.total,
        [step.requests for step in one.steps],
        [step.errors for step in one.steps],
        [step.p95_ns if step.requests else None for step in one.steps],
    )


def failing_operations(found: Overview, most: int) -> list[FailingOperation]:
    """Return the operations with most failed requests first."""
    failing = [
        FailingOperation(service.service, operation.name, operation.total)
        for service in found.services
        for operation in service.operations
        if operation.total.errors
    ]
    return sorted(failing, key=lambda one: (-one.total.errors, one.name))[:most]
