"""The labels that a metric's series can be grouped by."""

import orjson

from clew_console.search.reader import connections, resources
from clew_console.store.directory import Directory
from clew_console.store.value import plain_text


def metric_labels(directory: Directory, name: str) -> dict[str, set[str]]:
    """Return the attribute keys of a metric with their values: the points' own first, then the resources'."""
    own, of_resource = dict[str, set[str]](), dict[str, set[str]]()
    for connection in connections(directory):
        query = "SELECT DISTINCT attributes, resource_id FROM series WHERE name = ?"
        rows = connection.execute(query, (name,)).fetchall()
        emitters = resources(connection) if rows else {}
        for attributes, resource_id in rows:
            for key, value in orjson.loads(attributes).items():
                own.setdefault(key, set()).add(plain_text(value))
            for key, value in emitters[resource_id].attributes.items():
                of_resource.setdefault(key, set()).add(plain_text(value))
    return {**dict(sorted(own.items())), **{key: of_resource[key] for key in sorted(of_resource) if key not in own}}
