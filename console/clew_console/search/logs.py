"""Find log lines by a LogQL query."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from clew_console.query.logql import LogQuery
from clew_console.query.logql_sql import compile_logql
from clew_console.search.reader import connections, resources
from clew_console.search.traces import TimeRange
from clew_console.store.directory import Directory

_COLUMNS = "l.time_ns, l.resource_id, l.level, l.body, l.trace_id, l.span_id, l.attributes"


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line with its labels: the resource's, and the record's own, which win."""

    time_ns: int
    level: str
    body: str
    labels: dict[str, str]

    @property
    def service(self) -> str:
        """The service that wrote it."""
        return self.labels["service_name"]


def find_logs(
    directory: Directory, query: LogQuery, when: TimeRange, limit: int, *, newest_first: bool = True
) -> list[LogLine]:
    """Return at most `limit` lines in order of time."""
    found = list[LogLine]()
    for lines in _per_segment(directory, query, when, limit, newest_first=newest_first):
        found = list(heapq.merge(found, lines, key=lambda line: line.time_ns, reverse=newest_first))[:limit]
    return found


def _per_segment(
    directory: Directory, query: LogQuery, when: TimeRange, limit: int, *, newest_first: bool
) -> Iterator[list[LogLine]]:
    order = "DESC" if newest_first else "ASC"
    for connection in connections(directory):
        emitters = list(resources(connection).values())
        labels = {row.id: row.labels() for row in emitters}
        clause = compile_logql(query, emitters)
        sql = (
            f"SELECT {_COLUMNS} FROM log l WHERE l.time_ns >= ? AND l.time_ns < ? AND {clause.sql} "  # noqa: S608
            f"ORDER BY l.time_ns {order}, l.id {order} LIMIT ?"
        )
        found = connection.execute(sql, (when.start_ns, when.end_ns, *clause.parameters, limit))
        yield [_line(labels[resource_id], *rest) for resource_id, *rest in _resource_first(found)]


def _resource_first(rows: Iterator[tuple[object, ...]]) -> Iterator[tuple]:
    return ((row[1], row[0], *row[2:]) for row in rows)


def _line(
    resource: dict[str, str], time_ns: int, level: str, body: str, trace_id: bytes, span_id: bytes, attributes: str
) -> LogLine:
    ids = {"trace_id": trace_id, "span_id": span_id}
    labels = resource | orjson.loads(attributes) | {key: value.hex() for key, value in ids.items() if value}
    return LogLine(time_ns, level, body, labels | {"detected_level": level})


def label_values(directory: Directory) -> dict[str, set[str]]:
    """Return the resources' labels, each with its values."""
    found = dict[str, set[str]]()
    for connection in connections(directory):
        for row in resources(connection).values():
            for label, value in row.labels().items():
                found.setdefault(label, set()).add(value)
    return found
