"""The metrics that name one trace in an exemplar."""

from dataclasses import dataclass

import orjson

from clew_console.search.reader import connections
from clew_console.search.time_range import TimeRange
from clew_console.store.directory import Directory
from clew_console.store.value import plain_text

_SELECT = """
SELECT m.name, m.unit, m.attributes, r.service, p.exemplars FROM point p
JOIN series m ON m.id = p.series_id JOIN resource r ON r.id = m.resource_id
WHERE p.exemplars IS NOT NULL AND p.time_ns >= ? AND p.time_ns < ? AND instr(p.exemplars, ?) > 0
"""


@dataclass(frozen=True, slots=True, order=True)
class TraceExemplar:
    """A measurement made in the trace, in the unit of its metric."""

    name: str
    service: str
    unit: str
    span_id: str
    value: float
    labels: tuple[tuple[str, str], ...]


def trace_exemplars(directory: Directory, trace_id: str, when: TimeRange) -> list[TraceExemplar]:
    """Return the measurements that were exported in the time, each once, in order of name."""
    found = set[TraceExemplar]()
    for connection in connections(directory):
        rows = connection.execute(_SELECT, (when.start_ns, when.end_ns, trace_id)).fetchall()
        for name, unit, attributes, service, encoded in rows:
            labels = tuple(sorted((key, plain_text(value)) for key, value in orjson.loads(attributes).items()))
            for one in orjson.loads(encoded):
                if one["trace_id"] == trace_id and one["value"] is not None:
                    found.add(TraceExemplar(name, service, unit, one["span_id"], one["value"], labels))
    return sorted(found)
