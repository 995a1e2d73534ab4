"""Find metric series and their points."""

from collections.abc import Iterator
from typing import Any

import orjson

from clew_console.search.reader import connections, resources
from clew_console.search.time_range import TimeRange
from clew_console.store.directory import Directory


def metric_names(directory: Directory) -> list[dict[str, Any]]:
    """List the metrics: name, unit, type and the services that emit them."""
    found = dict[tuple[str, str, str], set[str]]()
    query = "SELECT DISTINCT m.name, m.unit, m.type, r.service FROM series m JOIN resource r ON r.id = m.resource_id"
    for connection in connections(directory):
        for name, unit, kind, service in connection.execute(query):
            found.setdefault((name, unit, kind), set()).add(service)
    return [
        {"name": name, "unit": unit, "type": kind, "services": sorted(services)}
        for (name, unit, kind), services in sorted(found.items())
    ]


def find_points(
    directory: Directory, name: str, service: str | None, when: TimeRange, limit: int
) -> Iterator[dict[str, Any]]:
    """Yield at most `limit` points of the metric per segment, the newest segment and the newest point first."""
    query = """
        SELECT m.unit, m.type, m.temporality, m.attributes, m.resource_id,
            p.time_ns, p.start_ns, p.value, p.count, p.sum, p.buckets, p.exemplars
        FROM series m JOIN point p ON p.series_id = m.id JOIN resource r ON r.id = m.resource_id
        WHERE m.name = ?1 AND (?2 IS NULL OR r.service = ?2) AND p.time_ns >= ?3 AND p.time_ns < ?4
        ORDER BY p.time_ns DESC LIMIT ?5
    """
    for connection in connections(directory):
        emitters = resources(connection)
        for row in connection.execute(query, (name, service, when.start_ns, when.end_ns, limit)):
            unit, kind, temporality, attributes, resource_id, time_ns, start_ns, value, count, total, *texts = row
            buckets, exemplars = (orjson.loads(text) if text else None for text in texts)
            yield {
                "name": name,
                "unit": unit,
                "type": kind,
                "temporality": temporality,
                "resource": emitters[resource_id].labels(),
                "attributes": orjson.loads(attributes),
                "time_ns": time_ns,
                "start_ns": start_ns,
                "value": value,
                "count": count,
                "sum": total,
                "buckets": buckets,
                "exemplars": exemplars or [],
            }
