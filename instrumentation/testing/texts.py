"""Every text of captured telemetry, with the place it is in."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from instrumentation.testing.records import Attributes, LogRecord, Point, Span, Value


class Text(NamedTuple):
    """A text.

    Attributes:
        where: For people.
        key: Of the attribute that it is the value of; empty if it is no value.
        text: As captured.
    """

    where: str
    key: str
    text: str


def of_span(span: Span) -> Iterator[Text]:
    """Yield the texts of a span: name, status, attributes, those of events and links."""
    where = f"span {span.name!r}"
    yield Text(f"name of {where}", "", span.name)
    yield Text(f"status of {where}", "", span.status_message)
    yield from of_attributes(where, span.attributes)
    for event in span.events:
        yield Text(f"event of {where}", "", event.name)
        yield from of_attributes(f"event {event.name!r} of {where}", event.attributes)
    for link in span.links:
        yield from of_attributes(f"link of {where}", link.attributes)


def of_log(log: LogRecord) -> Iterator[Text]:
    """Yield the texts of a log record: body, attributes, logger."""
    where = f"log of {log.logger!r}"
    yield Text(f"body of {where}", "", log.event)
    yield Text(f"name of {where}", "", log.logger)
    yield from of_attributes(where, log.attributes)


def of_points(points: Iterable[Point]) -> Iterator[Text]:
    """Yield names and labels of metrics."""
    for point in points:
        yield Text("name of a metric", "", point.name)
        yield from of_attributes(f"metric {point.name!r}", point.attributes)


def of_attributes(where: str, attributes: Attributes) -> Iterator[Text]:
    """Yield keys and values, those inside of lists and maps too."""
    for key, value in attributes.items():
        yield Text(f"attribute key of {where}", "", key)
        for inner, text in _values(key, value):
            yield Text(f"attribute {inner!r} of {where}", inner, text)


def _values(key: str, value: Value) -> Iterator[tuple[str, str]]:
    match value:
        case list():
            for one in value:
                yield from _values(key, one)
        case Mapping():
            for inner, one in value.items():
                yield from _values(f"{key}.{inner}", one)
        case bytes():
            yield key, value.decode("latin-1")
        case _:
            yield key, str(value)
