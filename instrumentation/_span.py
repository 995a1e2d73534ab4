"""`span`, which services call."""

from opentelemetry.util.types import AttributeValue

from instrumentation._providers import TRACERS
from instrumentation.signals.span import ActiveSpan

_TRACER = TRACERS.get_tracer("instrumentation")


def span(name: str, /, **attributes: AttributeValue) -> ActiveSpan:
    """Run a block or a function in a child span.

    Both as `with span("charge", currency="EUR") as current:` and as a decorator of functions and coroutine functions,
    where each call gets a span of its own. An exception that leaves it is recorded and sets the error status.

    Args:
        name: Low-cardinality name of the work.
        attributes: Of the span.
    """
    return _TRACER.start_as_current_span(name, attributes=attributes or None)
