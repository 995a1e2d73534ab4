"""Log records: one call writes the JSON line and the OTLP record, with the ids of the current span."""

import logging
import traceback
from collections.abc import Mapping
from functools import lru_cache
from time import time_ns
from types import TracebackType
from typing import NamedTuple, Protocol

from opentelemetry.trace import get_current_span

from instrumentation import semconv
from instrumentation.context import Parent, origin_of, parent_of
from instrumentation.encode import json_line, otlp
from instrumentation.encode import log as encode
from instrumentation.signals.sink import Encode, Parts, Sink
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
    """

    __slots__ = ("lines", "max_value_characters", "records", "render", "service_name")

    def __init__(
        self,
        service_name: str,
        records: Sink | None,
        lines: Lines | None,
        *,
        render: "Render | None" = None,
        max_value_characters: int = otlp.MAX_VALUE_CHARACTERS,
    ) -> None:
        self.service_name = service_name
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
        current = get_current_span()
        parent = parent_of(current)
        if parent is None and exception is not None:
            parent = origin_of(exception)
        if self.records is not None:
            self.records.add(logger_scope(logger), self._encode(level, event, attributes, parent, time_unix_ns))
        if to_lines and self.lines is not None:
            self.lines.write(
                self.render(
                    self.service_name,
                    level,
                    logger,
                    event[: self.max_value_characters],
                    attributes,
                    parent,
                    time_unix_ns,
                )
            )

    def _encode(
        self, level: Level, event: str, attributes: Mapping[str, object], parent: Parent | None, time_unix_ns: int
    ) -> bytes:
        rest = encode.severity(level.number, level.text) + encode.body(event, self.max_value_characters)
        rest += encode.attributes(attributes, self.max_value_characters)
        if parent is not None:
            if parent.request_id:
                rest += encode.attribute(semconv.REQUEST_ID, parent.request_id)
            rest += encode.ids(parent.trace_id, parent.span_id, sampled=parent.sampled)
        return encode.record(time_unix_ns, rest)


class Render(Protocol):
    """Renders a record as a line, line break included."""

    def __call__(
        self,
        service_name: str,
        level: Level,
        logger: str,
        event: str,
        attributes: Mapping[str, object],
        parent: Parent | None,
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
    parent: Parent | None,
    time_unix_ns: int,
) -> bytes:
    """Render a record as a line of JSON."""
    ids = json_line.ids(parent.trace_id, parent.span_id, parent.request_id) if parent is not None else ""
    head = json_line.head(level.name, event, logger, service_name)
    return json_line.line(time_unix_ns, head, ids, json_line.fields(attributes))


def exception_attributes(exception: BaseException, limit: int) -> dict[str, object]:
    """Return the exception.* attributes of a log record; of a long stack trace its end, where the cause is."""
    return {
        semconv.EXCEPTION_TYPE: exception_name(exception),
        semconv.EXCEPTION_MESSAGE: otlp.as_text(exception, limit),
        semconv.EXCEPTION_STACKTRACE: "".join(traceback.format_exception(exception))[-limit:],
    }
