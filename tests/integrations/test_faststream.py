"""Messages through FastStream: PRODUCER and CONSUMER spans of one trace, over a real NATS server with JetStream."""

import asyncio
import logging

import pytest
from faststream import AckPolicy, BaseMiddleware
from faststream.exceptions import AckMessage, NackMessage
from faststream.nats import JStream, NatsBroker, PullSub, TestNatsBroker
from opentelemetry import baggage, trace
from opentelemetry import context as otel_context
from opentelemetry.trace import SpanKind, set_span_in_context

from instrumentation.baggage import with_baggage
from instrumentation.context import RemoteSpan, parse_traceparent
from instrumentation.integrations import faststream as integration
from instrumentation.integrations.messaging import LINK_KEY

PRODUCER, CONSUMER = 4, 5
ERROR = 2
REMOTE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{REMOTE}-b7ad6b7169203331-01"


@pytest.fixture
def installed(kit):
    undo = integration.install(kit.signals)
    yield
    undo()


@pytest.fixture
def new_broker(nats_url):
    """Make a broker on the real server that logs to the standard logging."""

    def make(**options):
        return NatsBroker(nats_url, logger=logging.getLogger("faststream"), **options)

    return make


@pytest.fixture
def stream(request):
    """A stream of the test's own, with subjects under its name."""
    name = request.node.name.replace("[", "-").replace("]", "")
    return JStream(name, subjects=[f"{name}.>"])


def pulled(stream, subject, **options):
    """Options of a durable pull subscriber, as services use it."""
    return {
        "subject": f"{stream.name}.{subject}",
        "stream": stream,
        "durable": f"{stream.name}-{len(subject)}",
        **options,
    }


def of_kind(kit, kind):
    return [span for span in kit.decoded_spans() if span.kind == kind]


async def test_a_message_is_a_span_on_each_side(kit, installed, new_broker, stream, eventually, plain, series):
    """Names, attributes and metrics are the convention's, and the processing is the publishing's child."""
    broker = new_broker()
    subject = f"{stream.name}.created"

    @broker.subscriber(**pulled(stream, "created", pull_sub=PullSub(batch_size=8, timeout=0.5)))
    async def handle(message: str):
        pass

    async with broker:
        await broker.start()
        await broker.publish("hello", subject, stream=stream.name, correlation_id="c-1")
        await eventually(lambda: len(kit.spans) == 2)
    (producer,), (consumer,) = of_kind(kit, PRODUCER), of_kind(kit, CONSUMER)
    assert (producer.name, consumer.name) == (f"publish {subject}", f"process {subject}")
    assert (consumer.trace_id, consumer.parent_span_id) == (producer.trace_id, producer.span_id)
    assert producer.parent_span_id == b""
    labels = {"messaging.system": "nats", "messaging.destination.name": subject}
    published = {**labels, "messaging.operation.name": "publish"}
    processed = {**labels, "messaging.operation.name": "process"}
    assert plain(producer.attributes) == {
        **published,
        "messaging.operation.type": "send",
        "messaging.message.conversation_id": "c-1",
    }
    attributes = plain(consumer.attributes)
    assert len(attributes.pop("request_id")) == 32
    assert attributes == {
        **processed,
        "messaging.operation.type": "process",
        "messaging.message.id": "c-1",
        "messaging.message.conversation_id": "c-1",
        "messaging.message.body.size": 5,
        "messaging.consumer.group.name": f"{stream.name}-7",
    }
    assert series(kit, "messaging.client.operation.duration") == [(published, 1)]
    assert series(kit, "messaging.client.sent.messages") == [(published, 1)]
    assert series(kit, "messaging.process.duration") == [(processed, 1)]
    assert series(kit, "messaging.client.consumed.messages") == [(processed, 1)]


async def test_the_handler_has_the_context_of_the_publisher(kit, installed, new_broker, eventually):
    """In the handler the consumer's span is current; request ID and baggage arrive, by headers and not in the body."""
    broker = new_broker()
    seen = asyncio.Queue()

    @broker.subscriber("context.here")
    async def handle(body: bytes):
        seen.put_nowait((trace.get_current_span(), baggage.get_baggage("tenant"), body))

    parent = kit.signals.tracers.get_tracer("t").start("parent", SpanKind.INTERNAL, None)
    parent.request_id = "r-1"
    own = {"mine": "1", "tracestate": "x=1"}
    async with broker:
        await broker.start()
        context = with_baggage(set_span_in_context(parent, otel_context.Context()), {"tenant": "a b"})
        token = otel_context.attach(context)
        await broker.publish(b"body", "context.here", headers=own)
        otel_context.detach(token)
        span, tenant, body = await asyncio.wait_for(seen.get(), 5)
        await eventually(lambda: len(kit.spans) == 2)
    (producer,), (consumer,) = of_kind(kit, PRODUCER), of_kind(kit, CONSUMER)
    assert (producer.trace_id, producer.parent_span_id) == (parent.trace_id, parent.span_id)
    assert (span.span_id, span.request_id) == (consumer.span_id, "r-1")
    assert (tenant, body) == ("a b", b"body")
    assert own == {"mine": "1", "tracestate": "x=1"}


async def test_a_stored_parent_and_a_link_reach_the_producer(kit, installed, new_broker):
    """What an outbox relay attaches from its row is the parent, with its request ID; the relay's own span is a link."""
    stored = parse_traceparent(TRACEPARENT.encode())._replace(request_id="r-3")
    relay = kit.signals.tracers.get_tracer("t").start("relay", SpanKind.INTERNAL, None)
    context = otel_context.set_value(LINK_KEY, relay.get_span_context(), otel_context.Context())
    context = set_span_in_context(RemoteSpan(stored), context)
    broker = new_broker()
    seen = asyncio.Queue()

    @broker.subscriber("outbox.sent")
    async def handle(message: str):
        seen.put_nowait(trace.get_current_span().request_id)

    async with broker:
        await broker.start()
        token = otel_context.attach(context)
        await broker.publish("x", "outbox.sent")
        otel_context.detach(token)
        assert await asyncio.wait_for(seen.get(), 5) == "r-3"
    (producer,) = of_kind(kit, PRODUCER)
    assert (producer.trace_id.hex(), producer.parent_span_id.hex()) == (REMOTE, "b7ad6b7169203331")
    assert [(link.trace_id, link.span_id) for link in producer.links] == [(relay.trace_id, relay.span_id)]


async def test_a_failure_is_recorded_and_the_redelivery_visible(
    kit, installed, new_broker, stream, eventually, plain, series, caplog
):
    """The handler's exception fails the span; the message is delivered again as without the kit, and shows it."""
    broker = new_broker()
    calls = []
    options = {"pull_sub": PullSub(batch_size=8, timeout=0.5), "ack_policy": AckPolicy.NACK_ON_ERROR}

    @broker.subscriber(**pulled(stream, "failing", **options))
    async def handle(message: str):
        calls.append(message)
        if len(calls) == 1:
            raise ValueError("broken")

    async with broker:
        await broker.start()
        await broker.publish("x", f"{stream.name}.failing", stream=stream.name)
        await eventually(lambda: len(kit.spans) == 3)
    (producer,), (first, second) = of_kind(kit, PRODUCER), of_kind(kit, CONSUMER)
    assert {first.parent_span_id, second.parent_span_id} == {producer.span_id}
    assert (first.status.code, first.status.message) == (ERROR, "ValueError: broken")
    assert plain(first.events[0].attributes)["exception.type"] == "ValueError"
    assert plain(first.attributes)["error.type"] == "ValueError"
    assert "messaging.message.redelivered" not in plain(first.attributes)
    assert second.status.code == 0
    assert plain(second.attributes)["messaging.message.redelivered"] is True
    assert plain(second.attributes)["messaging.message.delivery_count"] == 2
    errors = [labels.get("error.type") for labels, _ in series(kit, "messaging.process.duration")]
    assert sorted(errors, key=str) == [None, "ValueError"]
    assert any(record.exc_info and "broken" in record.getMessage() for record in caplog.records)


async def test_the_log_of_a_failure_is_inside_of_the_span(kit, installed, new_broker, eventually):
    """FastStream logs the exception outside of all middlewares; the line has the message's span nevertheless."""
    seen = []

    class Handler(logging.Handler):
        def emit(self, record):
            if record.levelno == logging.ERROR:
                seen.append(trace.get_current_span())

    broker = new_broker()
    handler = Handler()
    logging.getLogger("faststream").addHandler(handler)
    try:

        @broker.subscriber("failing.log")
        async def handle(message: str):
            raise ValueError("broken")

        async with broker:
            await broker.start()
            await broker.publish("x", "failing.log")
            await eventually(lambda: seen and len(kit.spans) == 2)
    finally:
        logging.getLogger("faststream").removeHandler(handler)
    assert seen[0].span_id == of_kind(kit, CONSUMER)[0].span_id


@pytest.mark.parametrize(("raised", "is_failure"), [(AckMessage, False), (NackMessage, True)])
async def test_settling_by_exception(kit, installed, new_broker, stream, eventually, raised, is_failure):
    """A message acknowledged by exception is processed; one given back is not."""
    broker = new_broker()
    calls = []

    @broker.subscriber(**pulled(stream, "settled", pull_sub=PullSub(batch_size=1, timeout=0.5)))
    async def handle(message: str):
        calls.append(message)
        if len(calls) == 1:
            raise raised

    async with broker:
        await broker.start()
        await broker.publish("x", f"{stream.name}.settled", stream=stream.name)
        await eventually(lambda: len(of_kind(kit, CONSUMER)) == 1 + is_failure)
    assert (of_kind(kit, CONSUMER)[0].status.code == ERROR) == is_failure


async def test_a_batch_is_a_new_trace_with_links(kit, installed, new_broker, stream, eventually, plain, series):
    """Messages processed together have many parents: the span links to each, and counts them."""
    broker = new_broker()

    async with broker:
        await broker.connect()
        pull = PullSub(batch_size=3, batch=True, timeout=0.5)

        @broker.subscriber(**pulled(stream, "*", pull_sub=pull))
        async def handle(messages: list[str]):
            pass

        await (await broker.connect()).jetstream().add_stream(name=stream.name, subjects=list(stream.subjects))
        for number in range(3):
            await broker.publish(str(number), f"{stream.name}.{number}", stream=stream.name)
        await broker.start()
        await eventually(lambda: len(kit.spans) == 4)
    producers, (consumer,) = of_kind(kit, PRODUCER), of_kind(kit, CONSUMER)
    template = f"{stream.name}.*"
    assert consumer.parent_span_id == b""
    assert consumer.name == f"process {template}"
    assert {link.span_id for link in consumer.links} == {span.span_id for span in producers}
    assert plain(consumer.attributes)["messaging.batch.message_count"] == 3
    labels = {
        "messaging.system": "nats",
        "messaging.operation.name": "process",
        "messaging.destination.template": template,
    }
    assert series(kit, "messaging.client.consumed.messages") == [(labels, 3)]
    assert series(kit, "messaging.process.duration") == [(labels, 1)]


async def test_a_request_and_its_reply_are_one_trace(kit, installed, new_broker, eventually, plain, series):
    """The reply is published inside of the processing, to a destination that is no metric's label."""
    broker = new_broker()

    @broker.subscriber("ask")
    async def answer(message: str):
        return "pong"

    async with broker:
        await broker.start()
        reply = await broker.request("ping", "ask", timeout=5)
        assert await reply.decode() == "pong"
        await eventually(lambda: len(kit.spans) == 3)
    spans = {span.name: span for span in kit.decoded_spans()}
    request, process, sent = (spans[name] for name in ("publish ask", "process ask", "publish (temporary)"))
    assert request.trace_id == process.trace_id == sent.trace_id
    assert (process.parent_span_id, sent.parent_span_id) == (request.span_id, process.span_id)
    names = [labels.get("messaging.destination.name") for labels, _ in series(kit, "messaging.client.sent.messages")]
    assert sorted(names, key=str) == [None, "ask"]


async def test_a_wildcard_subscriber_is_one_series(kit, installed, new_broker, eventually, plain, series):
    """The subscriber's pattern labels the metric; the subject of each message is on its span."""
    broker = new_broker()

    @broker.subscriber("wild.{tenant}.done")
    async def handle(message: str):
        pass

    async with broker:
        await broker.start()
        for number in range(3):
            await broker.publish("x", f"wild.{number}.done")
        await eventually(lambda: len(of_kind(kit, CONSUMER)) == 3)
    ((labels, count),) = series(kit, "messaging.process.duration")
    assert (labels["messaging.destination.template"], count) == ("wild.{tenant}.done", 3)
    names = {plain(span.attributes)["messaging.destination.name"] for span in of_kind(kit, CONSUMER)}
    assert names == {f"wild.{number}.done" for number in range(3)}


async def test_publishing_that_fails_is_recorded_and_raised_unchanged(kit, installed, new_broker, plain, series):
    """A publish without a stream to take it raises nats' own error, and fails the PRODUCER span."""
    from nats.js.errors import NoStreamResponseError

    async with new_broker() as broker:
        with pytest.raises(NoStreamResponseError):
            await broker.publish("x", "nobody.listens", stream="missing")
    (producer,) = of_kind(kit, PRODUCER)
    assert producer.status.code == ERROR
    assert plain(producer.attributes)["error.type"] == "nats.js.errors.NoStreamResponseError"
    ((labels, _),) = series(kit, "messaging.client.operation.duration")
    assert labels["error.type"] == "nats.js.errors.NoStreamResponseError"


async def test_no_ambient_context_reaches_a_handler(kit, installed, new_broker, eventually):
    """A broker started inside of a span makes roots of messages that carry no context."""
    broker = new_broker()

    @broker.subscriber("ambient.none")
    async def handle(message: str):
        pass

    with kit.signals.tracers.get_tracer("t").start_as_current_span("ambient"):
        await broker.start()
    async with broker:
        client = await broker.connect()
        await client.publish("ambient.none", b"x")
        await eventually(lambda: len(of_kind(kit, CONSUMER)) == 1)
    assert of_kind(kit, CONSUMER)[0].parent_span_id == b""


async def test_100_messages_at_once_keep_their_traces(kit, installed, new_broker, eventually):
    """Messages handled at the same time, of tasks with traces of their own, do not mix parents."""
    broker = new_broker()
    tracer = kit.signals.tracers.get_tracer("t")

    @broker.subscriber("many", max_workers=20)
    async def handle(message: str):
        before = trace.get_current_span()
        await asyncio.sleep(0)
        assert trace.get_current_span() is before
        await broker.publish(message, "many.next")

    @broker.subscriber("many.next")
    async def then(message: str):
        pass

    async def one(number):
        with tracer.start_as_current_span(f"task {number}"):
            await broker.publish(str(number), "many")

    async with broker:
        await broker.start()
        await asyncio.gather(*(one(number) for number in range(100)))
        await eventually(lambda: len(kit.spans) == 500)
    spans = kit.decoded_spans()
    by_id = {span.span_id: span for span in spans}
    children = [span for span in spans if not span.name.startswith("task")]
    assert len({span.trace_id for span in spans}) == 100
    assert all(by_id[span.parent_span_id].trace_id == span.trace_id for span in children)
    parents = {(span.name, by_id[span.parent_span_id].name.split()[0]) for span in children}
    expected = {("publish many", "task"), ("process many", "publish")}
    assert parents == expected | {("publish many.next", "process"), ("process many.next", "publish")}


async def test_brokers_made_before_are_observed_and_a_middleware_of_their_own_works(
    kit, new_broker, stream, eventually
):
    """A broker that connects after `install` is observed once, around its own middlewares, which settle as before."""
    settled = []

    class Settle(BaseMiddleware):
        async def consume_scope(self, call_next, msg):
            result = await call_next(msg)
            await msg.ack()
            settled.append(trace.get_current_span())
            return result

    broker = new_broker(middlewares=(Settle,))
    options = {"pull_sub": PullSub(batch_size=1, timeout=0.5), "ack_policy": AckPolicy.MANUAL}

    @broker.subscriber(**pulled(stream, "old", **options))
    async def handle(message: str):
        pass

    undo = integration.install(kit.signals)
    async with broker:
        await broker.start()
        await broker.publish("x", f"{stream.name}.old", stream=stream.name)
        await eventually(lambda: len(kit.spans) == 2)
        undo()
        await broker.publish("x", f"{stream.name}.old", stream=stream.name)
        await eventually(lambda: len(settled) == 2)
    assert len(kit.spans) == 2
    assert settled[0].span_id == of_kind(kit, CONSUMER)[0].span_id
    assert not settled[1].get_span_context().is_valid


async def test_pulled_messages_are_counted_only(kit, installed, new_broker, stream, series):
    """`get_one` tells nothing of the processing: the message is counted, and the caller's context left alone."""
    broker = new_broker()
    subscriber = broker.subscriber(**pulled(stream, "one", pull_sub=PullSub(batch_size=1)))
    async with broker:
        await broker.start()
        await broker.publish("x", f"{stream.name}.one", stream=stream.name)
        with kit.signals.tracers.get_tracer("t").start_as_current_span("mine") as mine:
            message = await subscriber.get_one(timeout=5)
            assert trace.get_current_span() is mine
        assert message is not None
    assert not of_kind(kit, CONSUMER)
    ((labels, count),) = series(kit, "messaging.client.consumed.messages")
    assert (labels["messaging.operation.name"], count) == ("receive", 1)


async def test_the_in_memory_test_broker_is_observed_too(kit, installed, nats_url):
    """In FastStream's own test broker, which handles in the publisher's task, the publisher's context survives."""
    broker = NatsBroker(nats_url)

    @broker.subscriber("memory")
    async def handle(message: str):
        pass

    async with TestNatsBroker(broker):
        with kit.signals.tracers.get_tracer("t").start_as_current_span("mine") as mine:
            await broker.publish("x", "memory")
            assert trace.get_current_span() is mine
    (producer,), (consumer,) = of_kind(kit, PRODUCER), of_kind(kit, CONSUMER)
    assert consumer.parent_span_id == producer.span_id
