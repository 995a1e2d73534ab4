"""What a service calls besides `instrument`."""

import sys
from typing import Any

import structlog
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


def get_logger(name: str | None = None) -> Any:
    """Return a structlog logger whose every event carries trace, span and request id.

    Args:
        name: Default: the calling module's `__name__`.
    """
    return structlog.get_logger(name or sys._getframe(1).f_globals.get("__name__", "root"))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] as logging does
