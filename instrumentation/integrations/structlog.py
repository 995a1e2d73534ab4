"""structlog: every event once, as a line and as an OTLP log record; a configuration of the service's own is kept."""

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, NoReturn, cast

import structlog
from opentelemetry.trace import get_current_span
from structlog.typing import EventDict, Processor, WrappedLogger

from instrumentation.context import parent_of
from instrumentation.encode.otlp import as_text
from instrumentation.signals.log import CRITICAL, DEBUG, ERROR, INFO, WARNING, Level, LogEmitter
from instrumentation.signals.signals import Signals

_LEVELS: dict[str, Level] = {
    "debug": DEBUG,
    "info": INFO,
    "warning": WARNING,
    "warn": WARNING,
    "error": ERROR,
    "exception": ERROR,
    "critical": CRITICAL,
    "fatal": CRITICAL,
}


class NamedLogger:
    """What structlog's chain ends in: it only has a name, since the last processor has written the event."""

    __slots__ = ("name",)

    def __init__(self, name: str = "") -> None:
        self.name = name

    def msg(self, *_args: object, **_event: object) -> None:
        """Do nothing."""

    log = debug = info = warning = warn = error = exception = critical = fatal = msg


class Deliver:
    """The last processor of the kit's own chain: writes the event and ends it there."""

    def __init__(self, emitter: LogEmitter) -> None:
        self._emitter = emitter

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> NoReturn:
        """Write an event."""
        emit(self._emitter, logger, method, event, to_lines=True)
        raise structlog.DropEvent


class Tap:
    """A processor for a service's own chain: exports a copy of the event and adds the ids to what the chain prints."""

    def __init__(self, emitter: LogEmitter) -> None:
        self._emitter = emitter

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """Export an event and pass it on."""
        emit(self._emitter, logger, method, event, to_lines=False)
        return add_ids(logger, method, event)


def add_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add `trace_id`, `span_id` and `request_id` of the current span to an event."""
    parent = parent_of(get_current_span())
    if parent is not None:
        event["trace_id"], event["span_id"] = parent.trace_id.hex(), parent.span_id.hex()
        if parent.request_id:
            event["request_id"] = parent.request_id
    return event


def emit(emitter: LogEmitter, logger: WrappedLogger, method: str, event: EventDict, *, to_lines: bool) -> None:
    """Write an event of structlog; never raises."""
    attributes = dict(event)
    text = as_text(attributes.pop("event", ""))
    name = as_text(attributes.pop("logger", None) or getattr(logger, "name", "") or "structlog")
    level = _LEVELS.get(as_text(attributes.pop("level", method)), INFO)
    exception = _exception(attributes)
    attributes.pop("timestamp", None)
    emitter.emit(level, name, text, attributes, exception=exception, to_lines=to_lines)


def _exception(attributes: MutableMapping[str, Any]) -> BaseException | None:
    info = attributes.pop("exc_info", None)
    if isinstance(info, BaseException):
        return info
    if isinstance(info, tuple):
        return cast("structlog.typing.ExcInfo", info)[1]
    return sys.exc_info()[1] if info else None


def install(signals: Signals) -> Callable[[], None]:
    """Configure structlog, or add the kit's processors to the configuration that the service made.

    A service whose structlog ends in the standard library's logging needs only the ids: the root handler exports.

    Returns:
        A function that undoes it.
    """
    if structlog.is_configured():
        return _join(signals)
    level = logging.getLevelNamesMapping()[signals.settings.log_level.upper()]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, Deliver(signals.logs)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *args: NamedLogger(*args[:1]),
        cache_logger_on_first_use=False,
    )
    return structlog.reset_defaults


def _join(signals: Signals) -> Callable[[], None]:
    configuration = structlog.get_config()
    processors: list[Processor] = configuration["processors"]
    through_stdlib = isinstance(configuration["logger_factory"], structlog.stdlib.LoggerFactory)
    ours: Processor = add_ids if through_stdlib else Tap(signals.logs)
    # In place, since loggers that were made before hold this very list; before the renderer, which comes last.
    processors.insert(max(len(processors) - 1, 0), ours)

    def undo() -> None:
        if ours in processors:
            processors.remove(ours)

    return undo
