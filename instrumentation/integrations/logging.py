"""Standard library logging: every record once, as a line and as an OTLP record, beside the service's own set-up.

A service may configure logging before `instrument` or after it, which takes our handler off. Each record is made by the
record factory, so that is where the handlers it will meet are looked at: 1 us a record.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import CodeType
from typing import Any, cast

from opentelemetry.trace import get_current_span
from typing_extensions import override

from instrumentation import semconv
from instrumentation.context import parent_of
from instrumentation.encode.otlp import as_text
from instrumentation.signals.log import LogEmitter, level_of
from instrumentation.signals.signals import Signals

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
"""Attributes that every record has, and the colours that uvicorn adds; any other came by `extra`."""
_STRUCTLOG = frozenset(("_logger", "_name", "_record", "_from_structlog"))
"""What structlog's `wrap_for_formatter` adds to a record for its formatter."""
_STANDARD_FIELDS = len(vars(logging.makeLogRecord({})))
_NOTHING: Mapping[str, object] = {}
ID_NAMES = ("trace_id", "span_id", "request_id")
ACCESS_LOGGER = "uvicorn.access"
_TELL_URLS = frozenset(
    (
        "aiohttp.access",
        "django.server",
        "gunicorn.access",
        "httpx",
        "hypercorn.access",
        "urllib3.connectionpool",
        ACCESS_LOGGER,
        "uvicorn.error",
        "werkzeug",
    )
)
"""Loggers of servers and clients that tell of requests with their whole URLs."""
_CREDENTIALS_AND_QUERY = re.compile(r"(?<=://)[^/\s@]*@|\?[^\s\"]*")

RecordFactory = Callable[..., logging.LogRecord]


class Record(logging.LogRecord):
    """A record that a formatter finds `trace_id`, `span_id` and `request_id` on, each empty outside of a span.

    They are put there when the message is first asked for, as every formatter does, and not when the record is made:
    then `extra={"request_id": ...}` would be an error.

    Attributes:
        added: Names of those that were not given by `extra`.
        is_printed: Whether a handler of the service's own writes it to stdout or stderr.
    """

    __slots__ = ("added", "is_printed")
    added: tuple[str, ...]
    is_printed: bool

    @override
    def getMessage(self) -> str:
        if not hasattr(self, "added"):
            self.added = tuple(name for name in ID_NAMES if name not in self.__dict__)
            self.__dict__.update(
                {name: text for name, text in zip(ID_NAMES, _ids(), strict=True) if name in self.added}
            )
        return super().getMessage()


def _ids() -> tuple[str, str, str]:
    parent = parent_of(get_current_span())
    return ("", "", "") if parent is None else (parent.trace_id.hex(), parent.span_id.hex(), parent.request_id)


class LogHandler(logging.Handler):
    """Hands records to the emitter, which prints those that no handler of the service prints."""

    def __init__(self, emitter: LogEmitter) -> None:
        super().__init__()
        self._emitter = emitter

    @override
    def createLock(self) -> None:
        """Go without a lock: the emitter needs none, and a lock held at fork would hang the child."""
        self.lock = None

    @override
    def handle(self, record: logging.LogRecord) -> bool:
        """Emit a record that the handler's filters let through."""
        if self.filters:
            kept = cast("object", self.filter(record))  # a record, since Python 3.12
            if not kept:
                return False
            record = kept if isinstance(kept, logging.LogRecord) else record
        try:
            # What most records are: no `extra`, no exception, nothing to add, no URL to cut.
            if len(vars(record)) == _STANDARD_FIELDS and record.levelno < logging.WARNING and not record.exc_info:
                self._emit_plain(record)
            else:
                self.emit(record)
        except Exception as error:
            self._emitter.guard.caught("logging", error)
        return True

    def _emit_plain(self, record: logging.LogRecord) -> None:
        self._emitter.emit(
            level_of(record.levelno),
            record.name,
            _message(record),
            _NOTHING,
            time_unix_ns=int(record.created * 1e9),
            to_lines=not getattr(record, "is_printed", False),
        )

    @override
    def emit(self, record: logging.LogRecord) -> None:
        fields = vars(record)
        attributes: dict[str, object] = {}
        if len(fields) != _STANDARD_FIELDS:  # 22 look-ups, which most records need not pay for
            skipped = getattr(record, "added", ())
            attributes = {key: value for key, value in fields.items() if key not in _STANDARD and key not in skipped}
        message = _message(record)
        if attributes and isinstance(record.msg, dict):
            message = _from_structlog(cast("dict[str, Any]", record.msg), attributes, message)
        if record.levelno >= logging.WARNING:
            attributes[semconv.CODE_FUNCTION_NAME] = record.funcName
            attributes[semconv.CODE_LINE_NUMBER] = record.lineno
        exception = _exception(record)
        self._emitter.emit(
            level_of(record.levelno),
            record.name,
            message,
            attributes,
            exception=exception,
            time_unix_ns=int(record.created * 1e9),
            to_lines=not getattr(record, "is_printed", False),
        )


def _exception(record: logging.LogRecord) -> BaseException | None:
    found = cast("object", record.exc_info)
    items = cast("tuple[object, ...]", found) if isinstance(found, tuple) else ()
    return next((item for item in items if isinstance(item, BaseException)), None)


def _message(record: logging.LogRecord) -> str:
    try:
        text = logging.LogRecord.getMessage(record)
        return _CREDENTIALS_AND_QUERY.sub("", text) if record.name in _TELL_URLS else text
    except Exception:  # wrong arguments for the format: the text alone is better than nothing
        return as_text(record.msg)


def _from_structlog(event: dict[str, Any], attributes: dict[str, Any], text: str) -> str:
    """Move what structlog hands to its formatter for the standard library into attributes; return the event."""
    if "event" not in event or not _STRUCTLOG & attributes.keys():
        return text
    for key in _STRUCTLOG:
        attributes.pop(key, None)
    known = ("event", "level", "logger", "timestamp", "exc_info", *ID_NAMES)
    attributes.update((key, value) for key, value in event.items() if key not in known)
    return as_text(event["event"])


class Attachment:
    """Keeps the kit's handler where records come by, whatever the service configures and when.

    Of a record's handlers, those that print in no form of the service's own are taken off, since ours prints; a handler
    with a formatter of the service's goes on printing and ours only exports. All others are left alone.

    Args:
        emitter: Where records go.
        make: Makes records.
    """

    def __init__(self, emitter: LogEmitter, make: RecordFactory) -> None:
        self.handler = LogHandler(emitter)
        self._make = make
        self._is_on = True
        self._undos: list[Callable[[], None]] = []

    def __call__(self, name: str, level: int, *args: Any, **kwargs: Any) -> logging.LogRecord:
        """Make a record of this logger's, once its handlers are as they should be."""
        record = self._make(name, level, *args, **kwargs)
        if not self._is_on:  # somebody's factory still calls this one
            return record
        try:
            if not self._meets_only_ours(name) and self.adopt(name, level) and isinstance(record, Record):
                record.is_printed = True
        except Exception:  # noqa: S110 a record is worth more than its handlers
            pass
        return record

    def _meets_only_ours(self, name: str) -> bool:
        """Tell whether a record of this logger meets the kit's handler and no other: a fifth of what `adopt` costs."""
        found = False
        logger: Any = logging.Logger.manager.loggerDict.get(name, logging.root)
        while logger is not None:
            handlers = getattr(logger, "handlers", None)
            if handlers:
                if found or len(handlers) > 1 or handlers[0] is not self.handler:
                    return False
                found = True
            elif handlers is None:  # a PlaceHolder
                return False
            logger = logger.parent if logger.propagate else None
        return found

    def adopt(self, name: str | None, level: int = logging.CRITICAL) -> bool:
        """Look at the handlers that a record of this logger meets; None: the root's.

        Returns:
            Whether a handler of the service's own prints a record of this level.
        """
        is_printed = is_handled = False
        logger: logging.Logger = logging.root
        for logger in _chain(name):
            for handler in logger.handlers:
                if handler is self.handler:
                    is_handled = True
                elif _prints(handler):
                    if _has_own_form(handler):
                        is_printed = is_printed or level >= handler.level
                    else:
                        self._take(logger, handler)
                elif _is_bridge_to_us(handler):
                    self._take(logger, handler)
        if not is_handled:
            self._attach(logger)
        return is_printed

    def undo(self) -> None:
        """Give every logger its handlers back."""
        self._is_on = False
        while self._undos:
            self._undos.pop()()

    # Lists of handlers are replaced and never changed, since another thread may be walking along one.

    def _attach(self, logger: logging.Logger) -> None:
        logger.handlers = [*logger.handlers, self.handler]

        def undo() -> None:
            logger.handlers = [handler for handler in logger.handlers if handler is not self.handler]

        self._undos.append(undo)

    def _take(self, logger: logging.Logger, handler: logging.Handler) -> None:
        logger.handlers = [other for other in logger.handlers if other is not handler]

        def undo() -> None:
            if handler not in logger.handlers:
                logger.handlers = [*logger.handlers, handler]

        self._undos.append(undo)


def _chain(name: str | None) -> Iterator[logging.Logger]:
    """Yield the loggers whose handlers a record of this logger meets, the root last if it is one of them."""
    found = logging.Logger.manager.loggerDict.get(name) if name else logging.root
    logger: logging.Logger | None = found if isinstance(found, logging.Logger) else logging.root
    while logger is not None:
        yield logger
        logger = logger.parent if logger.propagate else None


def install(signals: Signals) -> Callable[[], None]:
    """Attach the kit's handler, and keep it attached.

    Returns:
        A function that undoes it.
    """
    root = logging.getLogger()
    previous_factory, previous_level = logging.getLogRecordFactory(), root.level
    attachment = Attachment(signals.logs, Record if previous_factory is logging.LogRecord else previous_factory)
    attachment.adopt(None)
    if root.level == logging.WARNING:  # the default: nobody chose it
        root.setLevel(signals.settings.log_level.upper())
    logging.setLogRecordFactory(attachment)
    silence = _Silence()
    silenced = (
        [logging.getLogger(name) for name in (ACCESS_LOGGER, "uvicorn.error")] if signals.settings.access_log else []
    )
    for logger in silenced:
        logger.addFilter(silence)

    def undo() -> None:
        for logger in silenced:
            logger.removeFilter(silence)
        if logging.getLogRecordFactory() is attachment:
            logging.setLogRecordFactory(previous_factory)
        root.setLevel(previous_level)
        attachment.undo()

    return undo


class _Silence(logging.Filter):
    """Holds back uvicorn's access lines, while the kit writes its own; those of websockets are among its errors."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        return record.name != ACCESS_LOGGER and not str(record.msg).startswith('%s - "WebSocket ')


def _prints(handler: logging.Handler) -> bool:
    """Tell whether a handler writes to stdout or stderr: by itself, by a console of Rich's, or by loguru's sinks."""
    stream: object = getattr(handler, "stream", None)
    if stream is None:
        stream = getattr(getattr(handler, "console", None), "file", None)
    if stream is None:
        return "loguru" in sys.modules and _hands_over_to_loguru(type(handler))
    return stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)


@lru_cache(maxsize=64)
def _hands_over_to_loguru(kind: type[logging.Handler]) -> bool:
    """Tell whether a handler's `emit` speaks of loguru, as the InterceptHandler of its documentation does."""
    code: CodeType | None = getattr(kind.emit, "__code__", None)
    known: Mapping[str, object] = getattr(kind.emit, "__globals__", {})
    names = code.co_names if code is not None else ()
    return "loguru" in names or any(type(known.get(name)).__module__.startswith("loguru.") for name in names)


def _has_own_form(handler: logging.Handler) -> bool:
    """Tell whether somebody chose the form in which a handler prints, and not a server its default one."""
    if type(handler) is not logging.StreamHandler:
        return True
    form = handler.formatter
    if form is None or type(form).__module__ == "uvicorn.logging":
        return False
    gunicorn = sys.modules.get("gunicorn.glogging")
    return gunicorn is None or getattr(form, "_fmt", None) != gunicorn.Logger.error_fmt


def _is_bridge_to_us(handler: logging.Handler) -> bool:
    """Tell whether a handler is OpenTelemetry's bridge from logging to the kit's own logger provider."""
    provider: object = getattr(handler, "_logger_provider", None)
    return provider is not None and type(provider).__module__.startswith("instrumentation.")
