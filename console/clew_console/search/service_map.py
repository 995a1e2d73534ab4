"""Who calls whom: services, databases and queues with the edges between them."""

from collections import Counter
from dataclasses import dataclass

from clew_console.search.overview import Red, Tally
from clew_console.search.reader import connections
from clew_console.search.time_range import TimeRange
from clew_console.store.directory import Directory
from clew_console.store.rollup import NS_PER_MINUTE

NodeName = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Node:
    """`kind` is service, database, queue or external; `name` is unique within it."""

    kind: str
    name: str
    requests: int
    errors: int


@dataclass(frozen=True, slots=True)
class Edge:
    """Calls from one node to another, as the caller measured them (for a queue's consumers: as they did)."""

    source: tuple[str, str]
    target: tuple[str, str]
    total: Red


@dataclass(frozen=True, slots=True)
class ServiceMap:
    """Nodes and edges; an edge names its nodes by (kind, name)."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def service_map(directory: Directory, when: TimeRange) -> ServiceMap:
    """Return the nodes and edges of the minutes that the range touches."""
    minutes = when.start_ns // NS_PER_MINUTE, -(-when.end_ns // NS_PER_MINUTE)
    tallies, requests, errors = dict[tuple[NodeName, NodeName], Tally](), Counter[NodeName](), Counter[NodeName]()
    for reader in connections(directory):
        for source_kind, source, target_kind, target, bucket, count, failed in reader.execute(_EDGES, minutes):
            tally = tallies.setdefault(((source_kind, source), (target_kind, target)), Tally())
            tally.add(count, failed, {bucket: count})
        for service, count, failed in reader.execute(_REQUESTS, minutes):
            requests["service", service] += count
            errors["service", service] += failed
    edges = tuple(Edge(*key, tally.red(when.start_ns)) for key, tally in sorted(tallies.items()))
    for edge in edges:
        if edge.target[0] != "service":
            requests[edge.target] += edge.total.requests
            errors[edge.target] += edge.total.errors
    names = {node for edge in edges for node in (edge.source, edge.target)} | requests.keys()
    return ServiceMap(tuple(Node(*name, requests[name], errors[name]) for name in sorted(names)), edges)


_EDGES = """
SELECT e.source_kind, e.source, e.target_kind, e.target, m.bucket, sum(m.requests), sum(m.errors)
FROM edge_minute m JOIN edge e ON e.id = m.edge_id WHERE m.minute >= ? AND m.minute < ? GROUP BY m.edge_id, m.bucket
"""
_REQUESTS = """
SELECT o.service, sum(m.requests), sum(m.errors) FROM operation_minute m JOIN operation o ON o.id = m.operation_id
WHERE m.minute >= ? AND m.minute < ? GROUP BY o.service
"""
