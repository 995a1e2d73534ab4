"""How the patterns make their instruments."""

from opentelemetry import metrics

SCOPE_NAME = "instrumentation.patterns"


def meter() -> metrics.Meter:
    """Return the meter of all patterns."""
    return metrics.get_meter(SCOPE_NAME)


def counter(name: str, unit: str, description: str) -> metrics.Counter:
    """Make a counter."""
    return meter().create_counter(name, unit, description)
