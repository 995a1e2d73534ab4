"""Telemetry of a shop, any amount of it, the same for the same seed.

Spans are encoded once per kind of trace; a group of traces is that encoding with ids, times and order numbers written
over. So a million spans cost a second, and the load is the console's, not the generator's.
"""

import random
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

TRACES_PER_GROUP = 100
DECLINED_PER_GROUP = 3
ORDER_ID = "0" * 36
"""Where an order's number is written."""

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5


@dataclass(frozen=True)
class Step:
    """One span of an order: whose, below which other, when in the trace (0 to 1), and what it says."""

    service: str
    name: str
    kind: int
    parent: int
    begin: float
    share: float
    attributes: dict[str, object]
    fails: bool = False


def _http_server(route: str, method: str, status: int) -> dict[str, object]:
    return {
        "http.request.method": method,
        "url.path": route,
        "url.scheme": "http",
        "http.route": route,
        "server.address": "127.0.0.1",
        "server.port": 8000,
        "client.address": "127.0.0.1",
        "network.protocol.version": "1.1",
        "user_agent.original": "python-httpx/0.28.1",
        "http.response.status_code": status,
        "request_id": ORDER_ID,
    }


def _rpc(service: str, method: str) -> dict[str, object]:
    return {
        "rpc.system.name": "grpc",
        "rpc.service": service,
        "rpc.method": f"{service}/{method}",
        "server.address": "127.0.0.1",
        "server.port": 50051,
        "rpc.response.status_code": "OK",
    }


def _query(text: str, table: str) -> dict[str, object]:
    return {
        "db.system.name": "postgresql",
        "db.namespace": "orders",
        "db.operation.name": text.partition(" ")[0],
        "db.collection.name": table,
        "db.query.text": text,
        "server.address": "127.0.0.1",
        "server.port": 5432,
    }


def _message(event: str, operation: str) -> dict[str, object]:
    return {
        "messaging.system": "nats",
        "messaging.destination.name": f"shop.{event}",
        "messaging.operation.type": operation,
        "messaging.operation.name": operation,
        "messaging.message.id": ORDER_ID,
        "messaging.message.body.size": 312,
        "order.id": ORDER_ID,
        "event.type": event,
    }


_INSERT_ORDER = "INSERT INTO orders (id, customer_id, status) VALUES (?, ?, ?)"
_INSERT_OUTBOX = "INSERT INTO outbox (id, topic, headers, body) VALUES (?, ?, ?, ?)"
_INSERT_INBOX = "INSERT INTO inbox (message_id) VALUES (?) ON CONFLICT DO NOTHING"
_SELECT_STOCK = "SELECT sku, pieces FROM stock WHERE sku IN (?) FOR UPDATE"


def order(*, is_declined: bool) -> list[Step]:
    """Return the spans of one order, the parent before its children."""
    last = "OrderCancelled" if is_declined else "OrderConfirmed"
    paid = "PaymentDeclined" if is_declined else "PaymentCharged"
    decline = {"payment.decline_reason": "card expired", "voucher": "SPRING"} if is_declined else {}
    return [
        Step("gateway", "POST /orders", SERVER, -1, 0.0, 0.2, _http_server("/orders", "POST", 202)),
        Step("gateway", "INSERT idempotency", CLIENT, 0, 0.01, 0.02, _query(_INSERT_INBOX, "idempotency")),
        Step("gateway", "shop.Orders/Create", CLIENT, 0, 0.04, 0.14, _rpc("shop.Orders", "Create")),
        Step("orders", "shop.Orders/Create", SERVER, 2, 0.05, 0.12, _rpc("shop.Orders", "Create")),
        Step("orders", "INSERT orders", CLIENT, 3, 0.06, 0.03, _query(_INSERT_ORDER, "orders")),
        Step("orders", "INSERT outbox", CLIENT, 3, 0.1, 0.02, _query(_INSERT_OUTBOX, "outbox")),
        Step("orders", "COMMIT", CLIENT, 3, 0.13, 0.03, _query("COMMIT", "orders")),
        Step("orders", "send shop.OrderCreated", PRODUCER, 3, 0.22, 0.02, _message("OrderCreated", "send")),
        Step("inventory", "process shop.OrderCreated", CONSUMER, 7, 0.25, 0.2, _message("OrderCreated", "process")),
        Step("inventory", "INSERT inbox", CLIENT, 8, 0.26, 0.02, _query(_INSERT_INBOX, "inbox")),
        Step("inventory", "SELECT stock", CLIENT, 8, 0.29, 0.04, _query(_SELECT_STOCK, "stock")),
        Step("inventory", "reserve", INTERNAL, 8, 0.34, 0.06, {"order.id": ORDER_ID, "shop.items": 2}),
        Step("inventory", "INSERT outbox", CLIENT, 8, 0.41, 0.02, _query(_INSERT_OUTBOX, "outbox")),
        Step("inventory", "send shop.StockReserved", PRODUCER, 8, 0.46, 0.02, _message("StockReserved", "send")),
        Step("payments", "process shop.StockReserved", CONSUMER, 13, 0.5, 0.25, _message("StockReserved", "process")),
        Step("payments", "INSERT inbox", CLIENT, 14, 0.51, 0.02, _query(_INSERT_INBOX, "inbox")),
        Step(
            "payments",
            "charge",
            INTERNAL,
            14,
            0.54,
            0.15,
            {"order.id": ORDER_ID, "payment.method": "card", **decline},
            fails=is_declined,
        ),
        Step("payments", "INSERT outbox", CLIENT, 14, 0.7, 0.02, _query(_INSERT_OUTBOX, "outbox")),
        Step("payments", f"send shop.{paid}", PRODUCER, 14, 0.76, 0.02, _message(paid, "send")),
        Step("orders", f"process shop.{paid}", CONSUMER, 18, 0.8, 0.1, _message(paid, "process")),
        Step(
            "orders",
            "UPDATE orders",
            CLIENT,
            19,
            0.82,
            0.03,
            _query("UPDATE orders SET status = ? WHERE id = ?", "orders"),
        ),
        Step("orders", "INSERT outbox", CLIENT, 19, 0.86, 0.02, _query(_INSERT_OUTBOX, "outbox")),
        Step("orders", f"send shop.{last}", PRODUCER, 19, 0.91, 0.02, _message(last, "send")),
        Step("notifications", f"process shop.{last}", CONSUMER, 22, 0.94, 0.06, _message(last, "process")),
        Step("notifications", "INSERT sent", CLIENT, 23, 0.95, 0.03, _query(_INSERT_INBOX, "sent")),
    ]


@dataclass(frozen=True)
class _Slot:
    """Where in a payload a span's variable bytes are."""

    trace: int
    step: int
    trace_id: int
    span_id: int
    parent: int
    start: int
    end: int
    texts: tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """100 traces as (request, spans) per service, with their ids and order numbers."""

    requests: list[tuple[bytes, int]]
    trace_ids: list[bytes]
    orders: list[bytes]


class Spans:
    """Export requests of a shop, group by group: one request per service and group of 100 traces."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._kinds = [order(is_declined=False)] * (TRACES_PER_GROUP - DECLINED_PER_GROUP)
        self._kinds += [order(is_declined=True)] * DECLINED_PER_GROUP
        self._steps = [(trace, step) for trace, kind in enumerate(self._kinds) for step in range(len(kind))]
        services = dict.fromkeys(step.service for kind in self._kinds for step in kind)
        self._payloads = [self._template(service) for service in services]
        self.spans_per_group = len(self._steps)

    def _template(self, service: str) -> tuple[bytearray, list[_Slot]]:
        found = ResourceSpans(scope_spans=[{"scope": {"name": "instrumentation", "version": "0.1.0"}}])
        found.resource.attributes.extend(_pairs(resource(service)))
        chosen = [
            (trace, number, step)
            for trace, kind in enumerate(self._kinds)
            for number, step in enumerate(kind)
            if step.service == service
        ]
        encoded = []
        for trace, number, step in chosen:
            span = Span(
                trace_id=_mark(trace, number, 1, 16),
                span_id=_mark(trace, number, 2, 8),
                parent_span_id=_mark(trace, number, 3, 8) if step.parent >= 0 else b"",
                name=step.name,
                kind=step.kind,
                flags=0x101,
                start_time_unix_nano=int.from_bytes(_mark(trace, number, 4, 8), "little"),
                end_time_unix_nano=int.from_bytes(_mark(trace, number, 5, 8), "little"),
                attributes=_pairs(step.attributes),
            )
            if step.fails:
                span.status.code = 2
                span.status.message = "card expired"
            found.scope_spans[0].spans.append(span)
            encoded.append(span.SerializeToString())
        payload = bytearray(ExportTraceServiceRequest(resource_spans=[found]).SerializeToString())
        slots, at = [], 0
        for (trace, number, step), span in zip(chosen, encoded, strict=True):
            at = payload.index(span, at)
            slots.append(self._slot(trace, number, step, span, at))
            at += len(span)
        return payload, slots

    @staticmethod
    def _slot(trace: int, number: int, step: Step, span: bytes, at: int) -> _Slot:
        places = [
            at + span.index(_mark(trace, number, part, size)) if part != 3 or step.parent >= 0 else -1
            for part, size in ((1, 16), (2, 8), (3, 8), (4, 8), (5, 8))
        ]
        texts, found = [], span.find(ORDER_ID.encode())
        while found >= 0:
            texts.append(at + found)
            found = span.find(ORDER_ID.encode(), found + 1)
        return _Slot(trace, number, *places, tuple(texts))

    def group(self, start_ns: int, spread_ns: int) -> Group:
        """Return 100 traces that start within `spread_ns` from `start_ns` on."""
        source = self._random
        trace_ids = [source.randbytes(16) for _ in self._kinds]
        span_ids = [[source.randbytes(8) for _ in kind] for kind in self._kinds]
        orders = [str(uuid.UUID(bytes=source.randbytes(16))).encode() for _ in self._kinds]
        starts = sorted(start_ns + source.randrange(max(spread_ns, 1)) for _ in self._kinds)
        source.shuffle(starts)
        lasts = [source.lognormvariate(0, 0.5) * 120e6 for _ in self._kinds]
        requests = []
        for payload, slots in self._payloads:
            for slot in slots:
                step, trace = self._kinds[slot.trace][slot.step], slot.trace
                payload[slot.trace_id : slot.trace_id + 16] = trace_ids[trace]
                payload[slot.span_id : slot.span_id + 8] = span_ids[trace][slot.step]
                if slot.parent >= 0:
                    payload[slot.parent : slot.parent + 8] = span_ids[trace][step.parent]
                began = starts[trace] + int(step.begin * lasts[trace]) + source.getrandbits(14)
                took = int(step.share * lasts[trace]) + source.getrandbits(16)
                struct.pack_into("<Q", payload, slot.start, began)
                struct.pack_into("<Q", payload, slot.end, began + took)
                for text in slot.texts:
                    payload[text : text + 36] = orders[trace]
            requests.append((bytes(payload), len(slots)))
        return Group(requests, trace_ids, orders)


def resource(service: str) -> dict[str, object]:
    """Return what a service of the shop says of itself."""
    return {
        "service.name": service,
        "service.version": "0.1.0",
        "service.instance.id": str(uuid.uuid5(uuid.NAMESPACE_DNS, service)),
        "host.name": "laptop",
        "process.pid": 4711,
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "clew",
    }


def logs(seed: int, start_ns: int, count: int, trace_ids: list[bytes]) -> bytes:
    """Return an export request of `count` log records, a millisecond apart."""
    source = random.Random(seed)
    events = ("order created", "stock reserved", "payment charged", "order confirmed", "request finished")
    found = ResourceLogs(scope_logs=[{"scope": {"name": "shop"}}])
    found.resource.attributes.extend(_pairs(resource(source.choice(("gateway", "orders", "inventory", "payments")))))
    for number in range(count):
        record = LogRecord(
            time_unix_nano=start_ns + number * 10**6 + source.getrandbits(18),
            severity_number=17 if source.random() < 0.02 else 9,
            severity_text="INFO",
            trace_id=trace_ids[number % len(trace_ids)],
            span_id=source.randbytes(8),
        )
        record.body.string_value = f"{source.choice(events)} for customer {source.randrange(5000)}"
        record.attributes.extend(
            _pairs(
                {
                    "request_id": str(uuid.UUID(bytes=source.randbytes(16))),
                    "logger": "shop.orders",
                    "http.route": "/orders",
                    "duration_ms": source.randrange(500),
                }
            )
        )
        found.scope_logs[0].log_records.append(record)
    return ExportLogsServiceRequest(resource_logs=[found]).SerializeToString()


def groups(seed: int, first_ns: int, last_ns: int, spans: int) -> Iterator[Group]:
    """Yield groups that spread at least `spans` spans evenly over the time."""
    source = Spans(seed)
    count = -(-spans // source.spans_per_group)
    step_ns = (last_ns - first_ns) // count
    for number in range(count):
        yield source.group(first_ns + number * step_ns, step_ns)


def _mark(trace: int, step: int, part: int, size: int) -> bytes:
    return struct.pack("<BHBB", 0xF0 + part, trace, step, 0xA5).ljust(size, bytes((0xF0 + part,)))


def _pairs(values: dict[str, object]) -> list[KeyValue]:
    found = []
    for key, value in values.items():
        pair = KeyValue(key=key)
        if isinstance(value, int):
            pair.value.int_value = value
        else:
            pair.value.string_value = str(value)
        found.append(pair)
    return found
