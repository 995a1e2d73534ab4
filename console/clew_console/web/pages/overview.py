"""The first page: how the services do, what fails, what the application counts."""

from collections.abc import Sequence
from typing import Any

from clew_console.search.overview import overview
from clew_console.search.time_range import TimeRange
from clew_console.search.traces import find_traces
from clew_console.web.application_metrics import application_counters
from clew_console.web.objectives import objectives
from clew_console.web.page import Page, View
from clew_console.web.pages.traces import bars
from clew_console.web.pattern_metrics import pattern_metrics
from clew_console.web.red_series import ServiceSeries, failing_operations, service_series
from clew_console.web.telemetry_ledger import telemetry_ledger

STEPS = 40
RECENT_TRACES = 10
FAILING = 6


def page(view: View) -> Page:
    """Services with rate, errors and durations, and where to look next."""
    when = TimeRange(view.period.start_ns, view.period.end_ns)
    found = overview(view.directory, when, STEPS)
    services = [service_series(one) for one in found.services]
    traces = [one.summary for one in find_traces(view.directory, None, view.period.times, RECENT_TRACES)]
    return Page(
        "overview.html",
        {
            "services": services,
            "seconds": found.steps.count * found.steps.step_ns / 1e9,
            "totals": _totals(services),
            "failing": failing_operations(found, FAILING),
            "counters": application_counters(view, when),
            "patterns": pattern_metrics(view, when),
            "objectives": objectives(view, when),
            "ledger": telemetry_ledger(view, when),
            **bars(sorted(traces, key=lambda one: -one.start_ns)),
        },
    )


def _totals(services: Sequence[ServiceSeries]) -> dict[str, Any]:
    requests = [sum(step) for step in zip(*(one.requests for one in services), strict=True)]
    errors = [sum(step) for step in zip(*(one.errors for one in services), strict=True)]
    slowest = max(services, key=lambda one: one.total.p95_ns, default=None)
    return {
        "requests": requests,
        "errors": errors,
        "count": sum(requests),
        "failed": sum(errors),
        "error_share": sum(errors) / sum(requests) if sum(requests) else 0.0,
        "slowest": slowest,
    }
