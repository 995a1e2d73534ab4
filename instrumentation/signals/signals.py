"""All that an integration needs to turn library calls into records."""

from dataclasses import dataclass, field

from instrumentation.guard import Guard
from instrumentation.settings import Settings
from instrumentation.signals.log import LogEmitter
from instrumentation.signals.metric import MetricStore
from instrumentation.signals.sink import Endings
from instrumentation.signals.span import TracerProvider


@dataclass(frozen=True, slots=True)
class Signals:
    """The three signals of a process, and its settings.

    Attributes:
        settings: As read at set-up.
        tracers: Makes tracers, one for each instrumentation scope.
        metrics: Where instruments and their cells live.
        logs: Writes log records.
        guard: Keeps the integrations' own failures from the service.
        endings: Takes what becomes a record of all three, as JSON on the line; None: each takes its own at once.
    """

    settings: Settings
    tracers: TracerProvider
    metrics: MetricStore
    logs: LogEmitter
    guard: Guard = field(default_factory=Guard)
    endings: Endings | None = None
