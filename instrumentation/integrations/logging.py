"""Standard library logging: every record once, as a line and as an OTLP record, beside the service's own set-up."""

import logging
import sys
from collections.abc import Callable, Iterator
from typing import cast

from typing_extensions import override

from instrumentation import semconv
from instrumentation.encode.otlp import as_text
from instrumentation.signals.log import LogEmitter, level_of
from instrumentation.signals.signals import Signals

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
"""Attributes that every record has, and the colours that uvicorn adds; any other came by `extra`."""
UVICORN_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")


class LogHandler(logging.Handler):
    """Hands records to the emitter.

    Args:
        emitter: Where records go.
        prints: Whether the line is ours to print; not if the service prints with a handler of its own.
    """

    def __init__(self, emitter: LogEmitter, *, prints: bool) -> None:
        super().__init__()
        self._emitter = emitter
        self.prints = prints

    @override
    def createLock(self) -> None:
        """Go without a lock: the emitter needs none, and a lock held at fork would hang the child."""
        self.lock = None

    @override
    def handle(self, record: logging.LogRecord) -> bool:
        """Emit a record that the handler's filters let through."""
        kept = cast("object", self.filter(record))  # a record, since Python 3.12
        if not kept:
            return False
        try:
            self.emit(kept if isinstance(kept, logging.LogRecord) else record)
        except Exception:
            self.handleError(record)
        return True

    @override
    def emit(self, record: logging.LogRecord) -> None:
        attributes = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.levelno >= logging.WARNING:
            attributes[semconv.CODE_FUNCTION_NAME] = record.funcName
            attributes[semconv.CODE_LINE_NUMBER] = record.lineno
        exception = record.exc_info[1] if record.exc_info else None
        self._emitter.emit(
            level_of(record.levelno),
            record.name,
            _message(record),
            attributes,
            exception=exception,
            time_unix_ns=int(record.created * 1e9),
            to_lines=self.prints,
        )


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # wrong arguments for the format: the text alone is better than nothing
        return as_text(record.msg)


def install(signals: Signals) -> Callable[[], None]:
    """Put the handler at the root and take over the plain handlers that print to stdout or stderr.

    A handler with a formatter of its own, or one that writes elsewhere, is left alone; if one of those prints, it goes
    on printing and our handler only exports.

    Returns:
        A function that undoes it.
    """
    root = logging.getLogger()
    taken = [handler for handler in root.handlers if _prints(handler) and handler.formatter is None]
    printed = any(_prints(handler) for handler in root.handlers if handler not in taken)
    handler = LogHandler(signals.logs, prints=not printed)
    for plain in taken:
        root.removeHandler(plain)
    previous_level = root.level
    if root.level == logging.WARNING:  # the default: nobody chose it
        root.setLevel(signals.settings.log_level.upper())
    root.addHandler(handler)

    def undo() -> None:
        root.removeHandler(handler)
        root.setLevel(previous_level)
        for plain in taken:
            root.addHandler(plain)

    return undo


def _prints(handler: logging.Handler) -> bool:
    if not isinstance(handler, logging.StreamHandler):
        return False
    stream = cast("object", handler.stream)  # pyright: ignore[reportUnknownMemberType] generic in typeshed alone
    return stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)


class _Silence(logging.Filter):
    @override
    def filter(self, record: logging.LogRecord) -> bool:
        return False


def adopt_uvicorn(*, access_log: bool) -> Callable[[], None]:
    """Send uvicorn's lines through the root, and silence its access lines while the kit writes its own.

    Called at set-up, and again when the application starts, since uvicorn may configure its loggers in between.

    Returns:
        A function that undoes it.
    """
    silence = _Silence()
    undos: list[Callable[[], None]] = []
    for logger in _existing(UVICORN_LOGGERS):
        undos.append(_restore(logger, logger.handlers[:], propagate=logger.propagate))
        for handler in logger.handlers[:]:
            if _prints(handler):
                logger.removeHandler(handler)
        logger.propagate = True
    if access_log:
        access = logging.getLogger("uvicorn.access")
        access.addFilter(silence)
        undos.append(lambda: access.removeFilter(silence))

    def undo() -> None:
        for step in reversed(undos):
            step()

    return undo


def _existing(names: tuple[str, ...]) -> Iterator[logging.Logger]:
    for name in names:
        logger = logging.Logger.manager.loggerDict.get(name)
        if isinstance(logger, logging.Logger):
            yield logger


def _restore(logger: logging.Logger, handlers: list[logging.Handler], *, propagate: bool) -> Callable[[], None]:
    def undo() -> None:
        logger.handlers[:] = handlers
        logger.propagate = propagate

    return undo
