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
    """Write an event of structlog; raises under test alone."""
    try:
        _emit(emitter, logger, method, event, to_lines=to_lines)
    except Exception as error:
        emitter.guard.caught("structlog", error)


def _emit(emitter: LogEmitter, logger: WrappedLogger, method: str, event: EventDict, *, to_lines: bool) -> None:
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
        items = cast("tuple[object, ...]", info)
        return next((item for item in items if isinstance(item, BaseException)), None)
    return sys.exc_info()[1] if info is not None and info is not False else None


class Join:
    """Keeps the kit's part in structlog's configuration, whoever makes it and when.

    Args:
        signals: Where events go, and the least level of the kit's own configuration.
    """

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._configure = structlog.configure
        self._joined: list[tuple[list[Processor], Processor]] = []
        self._is_ours = False

    def install(self) -> None:
        """Configure structlog, or join the configuration that the service has made; join later ones too."""
        if structlog.is_configured():
            self._join()
        else:
            self._configure_ours()
        structlog.configure = self.configure

    def configure(self, *args: Any, **kwargs: Any) -> None:
        """Configure structlog as the service wants it, and join."""
        self._configure(*args, **kwargs)
        self._is_ours = False
        self._join()

    def undo(self) -> None:
        """Leave the service's configuration, or take ours back."""
        if structlog.configure == self.configure:
            structlog.configure = self._configure
        for processors, ours in self._joined:
            if ours in processors:
                processors.remove(ours)
        self._joined.clear()
        if self._is_ours and _ends_in_ours():
            structlog.reset_defaults()

    def _configure_ours(self) -> None:
        level = logging.getLevelNamesMapping()[self._signals.settings.log_level.upper()]
        self._configure(
            processors=[structlog.contextvars.merge_contextvars, Deliver(self._signals.logs)],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            logger_factory=lambda *args: NamedLogger(*args[:1]),
            cache_logger_on_first_use=False,
        )
        self._is_ours = True

    def _join(self) -> None:
        """Add a processor; a chain that ends in the standard library needs only ids, as the root handler exports."""
        configuration = structlog.get_config()
        processors: list[Processor] = configuration["processors"]
        if any(isinstance(processor, Tap | Deliver) or processor is add_ids for processor in processors):
            return
        through_stdlib = isinstance(configuration["logger_factory"], structlog.stdlib.LoggerFactory)
        ours: Processor = add_ids if through_stdlib else Tap(self._signals.logs)
        # In place, since loggers that were made before hold this very list; before the renderer, which comes last.
        processors.insert(max(len(processors) - 1, 0), ours)
        self._joined.append((processors, ours))


def _ends_in_ours() -> bool:
    processors: list[Processor] = structlog.get_config()["processors"]
    return bool(processors) and isinstance(processors[-1], Deliver)


def install(signals: Signals) -> Callable[[], None]:
    """Configure structlog, or add the kit's processors to the configuration that the service makes.

    Returns:
        A function that undoes it.
    """
    join = Join(signals)
    join.install()
    return join.undo
