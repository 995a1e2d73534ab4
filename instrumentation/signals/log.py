"""Log records: one call writes the JSON line and the OTLP record, with the ids of the current span."""

import logging
import traceback
from collections.abc import Mapping
from functools import lru_cache
from time import time_ns
from types import TracebackType
from typing import NamedTuple, Protocol

from instrumentation import semconv
from instrumentation.context import Identity, current_identity, origin_of
from instrumentation.encode import json_line, otlp
from instrumentation.encode import log as encode
from instrumentation.guard import Guard
from instrumentation.redaction import attributes as redacted_attributes
from instrumentation.redaction import redacted
from instrumentation.signals.sink import Encode, Endings, Parts, Record, Sink
from instrumentation.signals.span import exception_name

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None]


class Level(NamedTuple):
    """A level in its three vocabularies.

    Attributes:
        name: As the line's `level` has it.
        number: OTLP SeverityNumber, 1 to 24.
        text: OTLP SeverityText.
    """

    name: str
    number: int
    text: str


DEFERRED_BYTES = 400
"""What a record holds until it is encoded, beside its event and attributes: three tuples, ids and time."""

Ids = tuple[bytes, bytes, bool, str]
"""Trace id, span id, whether sampled, and request ID of the span that a record belongs to."""
NO_IDS: Ids = (b"", b"", False, "")

TRACE = Level("trace", 1, "TRACE")
DEBUG = Level("debug", 5, "DEBUG")
INFO = Level("info", 9, "INFO")
WARNING = Level("warning", 13, "WARN")
ERROR = Level("error", 17, "ERROR")
CRITICAL = Level("critical", 21, "FATAL")


@lru_cache(maxsize=128)
def level_of(number: int) -> Level:
    """Return the level of a number of the logging module; one between two levels counts as the lower."""
    for bound, level in (
        (logging.CRITICAL, CRITICAL),
        (logging.ERROR, ERROR),
        (logging.WARNING, WARNING),
        (logging.INFO, INFO),
        (logging.DEBUG, DEBUG),
    ):
        if number >= bound:
            return level
    return TRACE


@lru_cache(maxsize=1024)
def logger_scope(name: str) -> bytes:
    """Encode the instrumentation scope of a logger: its name, as the log SDK's convention has it. Cached."""
    return otlp.scope(name)


class Lines(Protocol):
    """Takes finished lines and never blocks or raises."""

    def write(self, line: bytes, /) -> None:
        """Accept a line, line break included."""
        ...

    def defer(self, encode: Encode, parts: Parts, size: int, /) -> None:
        """Accept a line that is rendered later, as a record of no scope."""
        ...


class LogEmitter:
    """Writes each record once to each exit that is on.

    Args:
        service_name: Goes onto each line.
        records: Takes OTLP log records; None if logs are not exported.
        lines: Takes rendered lines; None if the process' own log set-up prints.
        render: Renders a line; by default as JSON.
        max_value_characters: Of one attribute value or body.
        guard: Told of what could not be written.
        redact: Whether secrets are taken out of events and attributes.

    Attributes:
        endings: Takes what becomes a log record and a line of JSON; None: each takes its own.
    """

    __slots__ = (
        "endings",
        "guard",
        "lines",
        "max_value_characters",
        "records",
        "redact",
        "render",
        "service_name",
    )

    def __init__(
        self,
        service_name: str,
        records: Sink | None,
        lines: Lines | None,
        *,
        render: "Render | None" = None,
        max_value_characters: int = otlp.MAX_VALUE_CHARACTERS,
        guard: Guard | None = None,
        redact: bool = True,
    ) -> None:
        self.guard = Guard() if guard is None else guard
        self.redact = redact
        self.service_name = service_name
        self.endings: Endings | None = None
        self.records = records
        self.lines = lines
        self.render: Render = render_json if render is None else render
        self.max_value_characters = max_value_characters

    def emit(
        self,
        level: Level,
        logger: str,
        event: str,
        attributes: Mapping[str, object],
        *,
        exception: BaseException | None = None,
        time_unix_ns: int | None = None,
        to_lines: bool = True,
    ) -> None:
        """Write a record.

        Args:
            level: Severity.
            logger: Name of the logger.
            event: Body.
            attributes: All else that was logged.
            exception: Logged exception; becomes the exception.* attributes.
            time_unix_ns: When it happened; default now.
            to_lines: Whether the line is written too.
        """
        time_unix_ns = time_ns() if time_unix_ns is None else time_unix_ns
        if exception is not None:
            attributes = {**attributes, **exception_attributes(exception, self.max_value_characters)}
        parent = current_identity()
        if parent is None and exception is not None:
            parent = origin_of(exception)
        if len(event) > self.max_value_characters:
            event = event[: self.max_value_characters]
        if self.redact:
            event = redacted(event, self.max_value_characters)
            attributes = redacted_attributes(attributes, self.max_value_characters) if attributes else attributes
        # The ids, not the span, whose attributes nobody would count; attributes now, as their values may change later.
        encoded = (
            encode.attributes(attributes, self.max_value_characters) if attributes and self.records is not None else b""
        )
        size = DEFERRED_BYTES + len(event) + len(encoded)
        ids: Ids = NO_IDS if parent is None else (parent.trace_id, parent.span_id, parent.sampled, parent.request_id)
        if self.endings is not None and to_lines:
            tail = json_line.fields(attributes) if attributes else ""
            self.endings.add(Logged(level, logger, event, encoded, tail, ids, time_unix_ns, self.service_name, size))
            return
        if self.records is not None:
            self.records.defer(log_record, (level, logger, event, encoded, ids, time_unix_ns), size)
        if to_lines and self.lines is not None:
            if self.render is render_json:
                tail = json_line.fields(attributes) if attributes else ""
                parts = (level, logger, event, tail, ids, time_unix_ns, self.service_name)
                self.lines.defer(json_record, parts, size)
            else:
                self.lines.write(self.render(self.service_name, level, logger, event, attributes, parent, time_unix_ns))


class Logged:
    """What was logged, until it becomes a log record and a line.

    Attributes:
        size: See `Ended`.
    """

    __slots__ = ("_attributes", "_event", "_ids", "_level", "_logger", "_service", "_tail", "_time_unix_ns", "size")

    def __init__(
        self,
        level: Level,
        logger: str,
        event: str,
        attributes: bytes,
        tail: str,
        ids: "Ids",
        time_unix_ns: int,
        service_name: str,
        size: int,
    ) -> None:
        self._level = level
        self._logger = logger
        self._event = event
        self._attributes = attributes
        self._tail = tail
        self._ids = ids
        self._time_unix_ns = time_unix_ns
        self._service = service_name
        self.size = size

    def records(self) -> tuple[Record, Record]:
        """Make log record and line."""
        level, logger, event, ids, unix_ns = self._level, self._logger, self._event, self._ids, self._time_unix_ns
        return (
            log_record((level, logger, event, self._attributes, ids, unix_ns)),
            json_record((level, logger, event, self._tail, ids, unix_ns, self._service)),
        )


def log_record(parts: Parts) -> Record:
    """Encode a log record of level, logger, event, encoded attributes, ids and time."""
    level, logger, event, attributes, (trace_id, span_id, sampled, request_id), time_unix_ns = parts
    rest = encode.severity(level.number, level.text) + encode.body(event) + attributes
    if request_id:
        rest += encode.request_id(request_id)
    if trace_id:
        rest += encode.ids(trace_id, span_id, sampled=sampled)
    return logger_scope(logger), encode.record(time_unix_ns, rest)


def json_record(parts: Parts) -> Record:
    """Render a line of level, logger, event, rendered attributes, ids, time and service name."""
    level, logger, event, tail, (trace_id, span_id, _, request_id), time_unix_ns, service_name = parts
    ids = json_line.ids(trace_id, span_id, request_id) if trace_id else ""
    return b"", json_line.line(time_unix_ns, json_line.head(level.name, event, logger, service_name), ids, tail)


class Render(Protocol):
    """Renders a record as a line, line break included."""

    def __call__(
        self,
        service_name: str,
        level: Level,
        logger: str,
        event: str,
        attributes: Mapping[str, object],
        parent: Identity | None,
        time_unix_ns: int,
        /,
    ) -> bytes:
        """Render a record; must not raise."""
        ...


def render_json(
    service_name: str,
    level: Level,
    logger: str,
    event: str,
    attributes: Mapping[str, object],
    parent: Identity | None,
    time_unix_ns: int,
) -> bytes:
    """Render a record as a line of JSON."""
    tail = json_line.fields(attributes)
    ids = NO_IDS if parent is None else (parent.trace_id, parent.span_id, parent.sampled, parent.request_id)
    return json_record((level, logger, event, tail, ids, time_unix_ns, service_name))[1]


def exception_attributes(exception: BaseException, limit: int) -> dict[str, object]:
    """Return the exception.* attributes of a log record; of a long stack trace its end, where the cause is."""
    return {
        semconv.EXCEPTION_TYPE: exception_name(exception),
        semconv.EXCEPTION_MESSAGE: otlp.as_text(exception, limit),
        semconv.EXCEPTION_STACKTRACE: "".join(traceback.format_exception(exception))[-limit:],
    }
