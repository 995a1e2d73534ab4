"""What FastStream's integration promises, on each real broker."""

import asyncio

from opentelemetry import baggage, trace
from opentelemetry import context as otel_context
from opentelemetry.trace import SpanKind, set_span_in_context

from instrumentation.baggage import with_baggage

PRODUCER, CONSUMER = 4, 5
ERROR = 2


def of_kind(kit, kind):
    return [span for span in kit.decoded_spans() if span.kind == kind]


async def test_a_message_is_one_trace_and_carries_its_context(wire, kit, eventually, plain):
    """The processing is the publishing's child; request ID and baggage arrive by headers, the body is untouched."""
    seen = asyncio.Queue()

    @wire.subscriber("created")
    async def handle(body: str):
        seen.put_nowait((trace.get_current_span(), baggage.get_baggage("tenant"), body))

    parent = kit.signals.tracers.get_tracer("t").start("parent", SpanKind.INTERNAL, None)
    parent.request_id = "r-1"
    await wire.declare("created")
    await wire.broker.start()
    context = with_baggage(set_span_in_context(parent, otel_context.Context()), {"tenant": "a b"})
    token = otel_context.attach(context)
    await wire.publish("created", "body", correlation_id="c-1")
    otel_context.detach(token)
    span, tenant, body = await asyncio.wait_for(seen.get(), 30)
    await eventually(lambda: len(kit.spans) == 2)
    (producer,), (consumer,) = of_kind(kit, PRODUCER), of_kind(kit, CONSUMER)
    place = wire.address("created")
    assert (producer.name, consumer.name) == (f"publish {place}", f"process {place}")
    assert (producer.trace_id, producer.parent_span_id) == (parent.trace_id, parent.span_id)
    assert (consumer.trace_id, consumer.parent_span_id) == (parent.trace_id, producer.span_id)
    assert (span.span_id, span.request_id, tenant, body) == (consumer.span_id, "r-1", "a b", "body")


EXPECTED = {
    "nats": ({}, {"messaging.consumer.group.name": "GROUP"}),
    "rabbitmq": (
        {"messaging.rabbitmq.destination.routing_key": "PLACE"},
        {"messaging.rabbitmq.destination.routing_key": "PLACE", "messaging.rabbitmq.message.delivery_tag": 1},
    ),
    "kafka": (
        {"messaging.kafka.message.key": "k"},
        {
            "messaging.kafka.message.key": "k",
            "messaging.kafka.offset": 0,
            "messaging.destination.partition.id": "0",
            "messaging.consumer.group.name": "GROUP",
        },
    ),
}


async def test_attributes_and_metrics_are_the_convention_s(wire, kit, eventually, plain, series):
    """Both spans and the four metrics carry the names of the convention, and each broker's own."""

    @wire.subscriber("created")
    async def handle(body: str):
        pass

    await wire.declare("created")
    await wire.broker.start()
    await wire.publish("created", "12345", correlation_id="c-1")
    await eventually(lambda: len(kit.spans) == 2)
    (producer,), (consumer,) = of_kind(kit, PRODUCER), of_kind(kit, CONSUMER)
    place = wire.address("created")
    common = {"messaging.system": wire.system, "messaging.destination.name": place}
    sent, received = (
        {key: {"GROUP": wire.group("created"), "PLACE": place}.get(value, value) for key, value in own.items()}
        for own in EXPECTED[wire.system]
    )
    published = {**common, "messaging.operation.name": "publish"}
    assert plain(producer.attributes) == {
        **published,
        **sent,
        "messaging.operation.type": "send",
        "messaging.message.conversation_id": "c-1",
    }
    attributes = plain(consumer.attributes)
    assert attributes.pop("messaging.message.id")
    assert len(attributes.pop("request_id")) == 32
    processed = {**common, "messaging.operation.name": "process"}
    assert attributes == {
        **processed,
        **received,
        "messaging.operation.type": "process",
        "messaging.message.conversation_id": "c-1",
        "messaging.message.body.size": 5,
    }
    if wire.system == "kafka":
        processed["messaging.consumer.group.name"] = wire.group("created")
    assert series(kit, "messaging.client.operation.duration") == [(published, 1)]
    assert series(kit, "messaging.client.sent.messages") == [(published, 1)]
    assert series(kit, "messaging.process.duration") == [(processed, 1)]
    assert series(kit, "messaging.client.consumed.messages") == [(processed, 1)]


async def test_a_failed_message_comes_again_and_says_so(wire, kit, eventually, plain):
    """The handler's exception fails the span; the second delivery is a child of the same publishing and counts two."""
    calls = []

    @wire.subscriber("failing")
    async def handle(body: str):
        calls.append(body)
        if len(calls) == 1:
            raise ValueError("broken")

    await wire.declare("failing")
    await wire.broker.start()
    await wire.publish("failing", "x")
    await eventually(lambda: len(kit.spans) == 3)
    (producer,), (first, second) = of_kind(kit, PRODUCER), of_kind(kit, CONSUMER)
    assert {first.parent_span_id, second.parent_span_id} == {producer.span_id}
    assert (first.status.code, first.status.message) == (ERROR, "ValueError: broken")
    assert plain(first.events[0].attributes)["exception.type"] == "ValueError"
    assert "messaging.message.redelivered" not in plain(first.attributes)
    assert second.status.code == 0
    assert plain(second.attributes)["messaging.message.redelivered"] is True
    assert plain(second.attributes)["messaging.message.delivery_count"] == 2


async def test_a_batch_links_to_every_producer(batch_wire, kit, eventually, plain, series):
    """Messages processed together are one new trace that links to each one's publishing, and counts them all."""
    seen = []

    @batch_wire.subscriber("many", batch=3)
    async def handle(bodies: list[str]):
        seen.append(list(bodies))

    await batch_wire.declare("many")
    await batch_wire.publish("many", "a", "b", "c")
    await batch_wire.broker.start()
    await eventually(lambda: sum(map(len, seen)) == 3 and len(of_kind(kit, CONSUMER)) == len(seen))
    producers, consumers = of_kind(kit, PRODUCER), of_kind(kit, CONSUMER)
    assert [span.parent_span_id for span in consumers] == [b""] * len(consumers)
    links = [link.span_id for span in consumers for link in span.links]
    assert sorted(links) == sorted(span.span_id for span in producers)
    sizes = [plain(span.attributes)["messaging.batch.message_count"] for span in consumers]
    assert sizes == [len(batch) for batch in seen]
    assert max(sizes) > 1
    assert sum(count for _, count in series(kit, "messaging.client.consumed.messages")) == 3
    assert sum(count for _, count in series(kit, "messaging.process.duration")) == len(consumers)


async def test_a_batch_that_fails_comes_again_with_its_links(batch_wire, kit, eventually, plain):
    """A failed batch has a failed span; the batch that comes again links to the same producers and says so."""
    calls = []

    @batch_wire.subscriber("many", batch=2)
    async def handle(bodies: list[str]):
        calls.append(list(bodies))
        if len(calls) == 1:
            raise ValueError("broken")

    await batch_wire.declare("many")
    await batch_wire.publish("many", "a", "b")
    await batch_wire.broker.start()
    await eventually(lambda: len(calls) > 1 and sum(map(len, calls[1:])) >= len(calls[0]))
    await eventually(lambda: len(of_kind(kit, CONSUMER)) == len(calls))
    failed, *again = of_kind(kit, CONSUMER)
    assert failed.status.code == ERROR
    assert {link.span_id for link in failed.links} <= {link.span_id for span in again for link in span.links}
    assert any(plain(span.attributes).get("messaging.message.delivery_count") == 2 for span in again)


async def test_age_and_lag_are_measured_where_the_broker_tells(wire, kit, eventually, series):
    """Messages that waited are old when they are processed, and the last one has none behind it."""
    start = asyncio.Event()
    handled = []

    @wire.subscriber("late")
    async def handle(body: str):
        await start.wait()
        handled.append(body)

    await wire.declare("late")
    await wire.publish("late", "a", "b", "c")
    await wire.broker.start()
    start.set()
    await eventually(lambda: len(handled) == 3 and len(of_kind(kit, CONSUMER)) == 3)
    ((age_labels, count),) = series(kit, "clew.messaging.message.age")
    assert (age_labels["messaging.destination.name"], count) == (wire.address("late"), 3)
    lags = series(kit, "clew.messaging.consumer.lag")
    if wire.system == "rabbitmq":  # it does not tell a consumer how long its queue is
        assert lags == []
        return
    ((labels, behind),) = lags
    assert labels["messaging.consumer.group.name"] == wire.group("late")
    assert behind == 0


async def test_a_poison_message_is_put_aside_with_its_trace(wire, kit, eventually, plain):
    """A message that fails every time is published to another place, from inside of its trace, and then settled."""
    calls, aside = [], []

    @wire.subscriber("poison")
    async def handle(body: str):
        calls.append(body)
        if len(calls) < 3:
            raise ValueError("broken")
        await wire.publish("dead", body)

    @wire.subscriber("dead")
    async def look(body: str):
        aside.append(body)

    await wire.declare("poison", "dead")
    await wire.broker.start()
    await wire.publish("poison", "x")
    await eventually(lambda: aside and len(kit.spans) == 6)
    spans = kit.decoded_spans()
    assert len({span.trace_id for span in spans}) == 1
    attempts = [span for span in spans if span.name == f"process {wire.address('poison')}"]
    assert [span.status.code for span in attempts] == [ERROR, ERROR, 0]
    assert [plain(span.attributes).get("messaging.message.delivery_count", 1) for span in attempts] == [1, 2, 3]
    (put_aside,) = [span for span in spans if span.name == f"publish {wire.address('dead')}"]
    assert put_aside.parent_span_id == attempts[-1].span_id
