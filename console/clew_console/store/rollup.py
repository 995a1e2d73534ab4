"""Count requests, spans and calls per minute, so that overview and map never look at spans."""

import time
from collections import Counter

from clew_console.store.edges import DATABASE, QUEUE, SERVICE, Call, Edges, Peers
from clew_console.store.identities import EdgeKey, Identities
from clew_console.store.latency import bucket
from clew_console.store.span_block import Head, SpanBuilder, decode_head

NS_PER_MINUTE = 60 * 10**9

_SERVER, _CLIENT, _PRODUCER, _CONSUMER = 2, 3, 4, 5
_ERROR = 2
_SIGN = 1 << 63
_MAX_MINUTE = (1 << 63) // NS_PER_MINUTE


class Rollup:
    """What one transaction adds to the counts."""

    def __init__(self, identities: Identities, edges: Edges) -> None:
        self._identities = identities
        self._edges = edges
        self._spans: Counter[tuple[int, str]] = Counter()
        self._requests: Counter[tuple[int, int, int]] = Counter()
        self._failed: Counter[tuple[int, int, int]] = Counter()
        self._calls: Counter[tuple[int, EdgeKey, int]] = Counter()
        self._failed_calls: Counter[tuple[int, EdgeKey, int]] = Counter()

    def add(self, builder: SpanBuilder, ordered: list[bytes]) -> None:
        """Count the spans of a block whose pairs are in order."""
        heads = [decode_head(key) for key in builder.heads]
        services = [self._identities.service(head.resource_id) for head in heads]
        self._count_spans(builder, services)
        self._count_requests(builder, heads, services)
        self._count_calls(builder, heads, services, Peers(ordered))

    def _count_spans(self, builder: SpanBuilder, services: list[str]) -> None:
        first, last = min(builder.starts) // NS_PER_MINUTE, max(builder.starts) // NS_PER_MINUTE
        if first == last:
            for number, count in Counter(builder.head).items():
                self._spans[min(first, _MAX_MINUTE), services[number]] += count
            return
        for number, start_ns in zip(builder.head, builder.starts, strict=True):
            self._spans[min(start_ns // NS_PER_MINUTE, _MAX_MINUTE), services[number]] += 1

    def _count_requests(self, builder: SpanBuilder, heads: list[Head], services: list[str]) -> None:
        operations = [
            self._identities.operation(service, head.name) if head.kind in {_SERVER, _CONSUMER} else 0
            for head, service in zip(heads, services, strict=True)
        ]
        for number, start_ns, duration_ns in zip(builder.head, builder.starts, builder.durations, strict=True):
            operation = operations[number]
            if operation:
                key = min(start_ns // NS_PER_MINUTE, _MAX_MINUTE), operation, _bucket(duration_ns)
                self._requests[key] += 1
                if heads[number].status == _ERROR:
                    self._failed[key] += 1

    def _count_calls(self, builder: SpanBuilder, heads: list[Head], services: list[str], peers: Peers) -> None:
        now, offset = time.monotonic(), 0
        for position, number in enumerate(builder.head):
            begin, offset = offset, offset + builder.attribute_counts[position]
            head = heads[number]
            if head.kind == _SERVER:
                if builder.parents[position]:
                    told = self._edges.served(builder.parents[position], services[number])
                    if told:
                        self._count_call(*told)
            elif head.kind in {_CLIENT, _PRODUCER, _CONSUMER}:
                peer = peers.of(builder.attributes[begin:offset])
                call = Call(
                    services[number],
                    min(builder.starts[position] // NS_PER_MINUTE, _MAX_MINUTE),
                    _bucket(builder.durations[position]),
                    head.status == _ERROR,
                    peer.address,
                    now,
                )
                if head.kind == _CLIENT and not peer.database:
                    key = self._edges.called(builder.span_ids[position], call)
                elif head.kind == _CLIENT:
                    key = (SERVICE, call.service, DATABASE, peer.database)
                elif not peer.queue:
                    key = None
                elif head.kind == _PRODUCER:
                    key = (SERVICE, call.service, QUEUE, peer.queue)
                else:
                    key = (QUEUE, peer.queue, SERVICE, call.service)
                if key:
                    self._count_call(key, call)

    def _count_call(self, key: EdgeKey, call: Call) -> None:
        self._calls[call.minute, key, call.bucket] += 1
        if call.is_error:
            self._failed_calls[call.minute, key, call.bucket] += 1

    def write(self) -> None:
        """Add the counts to the tables."""
        for key, call in self._edges.given_up():
            self._count_call(key, call)
        execute = self._identities.connection.executemany
        execute(
            "INSERT INTO service_minute VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET spans = spans + excluded.spans",
            ((*key, count) for key, count in self._spans.items()),
        )
        add = (
            "VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET requests = requests + excluded.requests, errors = errors + excluded.errors"
        )
        execute(
            f"INSERT INTO operation_minute {add}",
            ((*key, count, self._failed[key]) for key, count in self._requests.items()),
        )
        edge = self._identities.edge
        execute(
            f"INSERT INTO edge_minute {add}",
            [(key[0], edge(key[1]), key[2], count, self._failed_calls[key]) for key, count in self._calls.items()],
        )


def _bucket(duration_ns: int) -> int:
    return bucket(duration_ns) if duration_ns < _SIGN else 0
