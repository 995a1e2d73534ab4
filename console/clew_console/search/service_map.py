"""Who calls whom: services, databases and queues with the edges between them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from clew_console.search.latency import bucket
from clew_console.search.overview import Red, Tally
from clew_console.search.scan import scan
from clew_console.search.trace import FoundSpan
from clew_console.search.traces import TimeRange
from clew_console.store.directory import Directory
from clew_console.store.span_rows import duration_ns
from clew_console.store.value import Value, plain_text, python_attributes

DATABASE_KEYS = ("db.system.name", "db.system")
QUEUE_KEYS = ("messaging.destination.name",)
ADDRESS_KEYS = ("server.address", "peer.service")


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
    found = list(scan(directory, when))
    callers = {one.span.span_id: one for one in found if one.span.kind == Span.SPAN_KIND_CLIENT}
    tallies = dict[tuple[tuple[str, str], tuple[str, str]], Tally]()
    for source, target, one in _calls(found, callers):
        tally = tallies.setdefault((source, target), Tally())
        tally.add(1, _is_error(one), {bucket(duration_ns(one.span)): 1})
    edges = tuple(Edge(*key, tally.red(when.start_ns)) for key, tally in sorted(tallies.items()))
    entries = [one for one in found if one.span.kind in {Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CONSUMER}]
    requests = Counter(("service", one.resource.service) for one in entries)
    errors = Counter(("service", one.resource.service) for one in entries if _is_error(one))
    for edge in edges:
        if edge.target[0] != "service":
            requests[edge.target] += edge.total.requests
            errors[edge.target] += edge.total.errors
    names = {node for edge in edges for node in (edge.source, edge.target)} | requests.keys()
    return ServiceMap(tuple(Node(*name, requests[name], errors[name]) for name in sorted(names)), edges)


def _is_error(found: FoundSpan) -> bool:
    return found.span.status.code == Status.STATUS_CODE_ERROR


def _calls(
    found: list[FoundSpan], callers: dict[bytes, FoundSpan]
) -> Iterator[tuple[tuple[str, str], tuple[str, str], FoundSpan]]:
    answered = set[bytes]()
    for one in found:
        caller = callers.get(one.span.parent_span_id)
        if one.span.kind == Span.SPAN_KIND_SERVER and caller is not None:
            answered.add(caller.span.span_id)
            yield ("service", caller.resource.service), ("service", one.resource.service), caller
    for one in found:
        attributes, service = python_attributes(one.span.attributes), ("service", one.resource.service)
        queue = _first(attributes, QUEUE_KEYS)
        if one.span.kind == Span.SPAN_KIND_PRODUCER and queue:
            yield service, ("queue", queue), one
        elif one.span.kind == Span.SPAN_KIND_CONSUMER and queue:
            yield ("queue", queue), service, one
        elif one.span.kind == Span.SPAN_KIND_CLIENT and one.span.span_id not in answered:
            database, address = _first(attributes, DATABASE_KEYS), _first(attributes, ADDRESS_KEYS)
            if database or address:
                yield service, ("database", database) if database else ("external", address), one


def _first(attributes: Mapping[str, Value], keys: tuple[str, ...]) -> str:
    return next((plain_text(attributes[key]) for key in keys if key in attributes), "")
