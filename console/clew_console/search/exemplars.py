"""Measurements that name the trace they were made in."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from clew_console.search.reader import connections, resources
from clew_console.search.time_range import TimeRange
from clew_console.store.directory import Directory
from clew_console.store.value import plain_text

MOST_EXEMPLARS = 500


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One measurement. `labels` are those of its series: the point's attributes and the resource's."""

    time_ns: int
    value: float
    trace_id: str
    span_id: str
    labels: dict[str, str]


_SELECT = """
SELECT m.attributes, m.resource_id, p.exemplars FROM series m JOIN point p ON p.series_id = m.id
WHERE m.name = ? AND p.time_ns >= ? AND p.time_ns < ? AND p.exemplars IS NOT NULL ORDER BY p.time_ns DESC
"""


def exemplars(
    directory: Directory,
    name: str,
    when: TimeRange,
    limit: int = MOST_EXEMPLARS,
    filters: Mapping[str, str] | None = None,
) -> list[Exemplar]:
    """Return at most `limit` exemplars of the metric, each once, the newest first.

    Args:
        directory: What to read.
        name: The metric's OpenTelemetry name.
        when: The time they were exported in; each has its own, which may be a little before.
        limit: How many.
        filters: Attribute key to the text its value must have.
    """
    found = dict[tuple[str, str, int, float], Exemplar]()
    for connection in connections(directory):
        emitters = resources(connection)
        for attributes, resource_id, encoded in connection.execute(_SELECT, (name, when.start_ns, when.end_ns)):
            own = {key: plain_text(value) for key, value in orjson.loads(attributes).items()}
            labels = {key: plain_text(value) for key, value in emitters[resource_id].attributes.items()} | own
            if all(labels.get(key) == value for key, value in (filters or {}).items()):
                for one in orjson.loads(encoded):
                    key = (one["trace_id"], one["span_id"], one["time_ns"], one["value"] or 0.0)
                    found.setdefault(key, Exemplar(key[2], key[3], key[0], key[1], labels))
            if len(found) >= limit:
                return sorted(found.values(), key=lambda one: -one.time_ns)[:limit]
    return sorted(found.values(), key=lambda one: -one.time_ns)
