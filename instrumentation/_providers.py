"""OpenTelemetry's globals: set once in a process, so what they point at is swapped instead.

`instrument`, `uninstrument` and tests change the target; tracers and meters that were handed out go on working.
"""

from collections.abc import Collection

from opentelemetry import _logs, metrics, propagate, trace
from opentelemetry.propagators.composite import CompositePropagator

from instrumentation.context import Propagator
from instrumentation.diagnostics import Diagnostics
from instrumentation.signals.log import LogEmitter
from instrumentation.signals.logger import StoreLoggerProvider
from instrumentation.signals.meter import StoreMeterProvider
from instrumentation.signals.metric import MetricStore
from instrumentation.signals.span import SpanSettings, TracerProvider


class StoreRef:
    """Holds the current metric store; None while the kit is off."""

    store: MetricStore | None = None


TRACERS = TracerProvider()
_STORE = StoreRef()
METERS = StoreMeterProvider(_STORE)
LOGGERS = StoreLoggerProvider()


def point_at(spans: SpanSettings | None, store: MetricStore | None, logs: LogEmitter | None) -> None:
    """Make all tracers, meters and loggers of this process write there; None turns them off."""
    TRACERS.target = spans
    LOGGERS.target = logs
    _STORE.store = store
    METERS.rebind()


def succeed(before: SpanSettings, after: SpanSettings) -> None:
    """Make tracers that write to `before` write to `after`."""
    if TRACERS.target is before:
        TRACERS.target = after


def claim(diagnostics: Diagnostics, propagators: tuple[str, ...]) -> None:
    """Become OpenTelemetry's global providers and propagator; beside one that is set already, say so and work on.

    Args:
        diagnostics: Where a foreign provider is named.
        propagators: Of the settings. Ours carries `tracecontext` and `baggage`; any other choice is OpenTelemetry's.
    """
    tracers = trace.get_tracer_provider()
    if isinstance(tracers, trace.ProxyTracerProvider):
        trace.set_tracer_provider(TRACERS)
    elif tracers is not TRACERS:
        _name_foreign(diagnostics, "tracer", tracers)
    meters = metrics.get_meter_provider()
    # The API has no public name for "not set yet".
    if type(meters).__name__ == "_ProxyMeterProvider":
        metrics.set_meter_provider(METERS)
    elif meters is not METERS:
        _name_foreign(diagnostics, "meter", meters)
    loggers = _logs.get_logger_provider()
    if type(loggers).__name__ == "ProxyLoggerProvider":  # nor for this
        _logs.set_logger_provider(LOGGERS)
    elif loggers is not LOGGERS:
        _name_foreign(diagnostics, "logger", loggers)
    is_default = isinstance(propagate.get_global_textmap(), CompositePropagator)
    if set(propagators) != {"tracecontext", "baggage"}:
        text = "the kit's own integrations carry tracecontext and baggage; what is in OTEL_PROPAGATORS is for others"
        diagnostics.line("propagators", text)
    elif is_default:
        propagate.set_global_textmap(Propagator())


def are_ours(propagators: Collection[str]) -> bool:
    """Tell whether the kit's own propagator carries all that these do."""
    return {"tracecontext", "baggage"} <= set(propagators)


def has_foreign_tracers() -> bool:
    """Tell whether another global tracer provider is set, whose server spans ours would double."""
    current = trace.get_tracer_provider()
    return current is not TRACERS and not isinstance(current, trace.ProxyTracerProvider)


def _name_foreign(diagnostics: Diagnostics, kind: str, provider: object) -> None:
    name = f"{type(provider).__module__}.{type(provider).__qualname__}"
    diagnostics.line(
        f"foreign {kind}",
        f"OpenTelemetry's global {kind} provider is {name} already; working beside it. "
        "Call instrument() before it is set if Clew is to replace it.",
    )
