"""What the shop's stream promises, on each real broker."""

import asyncio
from collections import defaultdict

import pytest
from faststream import Context
from opentelemetry import context as otel_context
from opentelemetry.trace import SpanKind, set_span_in_context
from shop.reliability import dead_letters
from shop.reliability.wire import Letter

PRODUCER, CONSUMER = 4, 5
KEYS, EACH = 5, 12
HEADERS = Context("message.headers")


@pytest.fixture
def subject(open_stream):
    """A subject of this test's own, below one that the shop's stream has."""
    return f"orders.t{open_stream.place}"


async def publish(stream, subject, *bodies, key="k"):
    for body in bodies:
        await stream.wire.publish(Letter(subject, key, f"{subject}-{key}-{body}", f'"{body}"'.encode()))


async def test_messages_of_one_key_are_handled_in_the_order_they_were_published(open_stream, subject, eventually):
    """However long each takes, what concerns the same thing is handled one after the other; other things go between."""
    reader, writer = open_stream("reader"), open_stream("writer")
    handled = defaultdict(list)
    at_once = set()

    @reader.subscriber(subject)
    async def handle(body: str):
        key, number = body.split("-")
        assert key not in at_once, "two of one key at once"
        at_once.add(key)
        await asyncio.sleep(0.004 * ((int(number) * 7) % 3))
        at_once.discard(key)
        handled[key].append(int(number))

    async with reader, writer:
        for number in range(EACH):
            for key in range(KEYS):
                await publish(writer, subject, f"k{key}-{number}", key=f"k{key}")
        await eventually(lambda: sum(map(len, handled.values())) == KEYS * EACH, 60)
    assert dict(handled) == {f"k{key}": list(range(EACH)) for key in range(KEYS)}


async def test_a_message_is_handled_until_it_succeeds(open_stream, subject, eventually, kit, plain):
    """One that fails comes again and says so on its span; settled when it succeeds, it does not come a third time."""
    reader, writer = open_stream("reader"), open_stream("writer")
    handled = []

    @reader.subscriber(subject)
    async def handle(body: str):
        handled.append(body)
        if handled == ["a"]:
            raise ValueError("not now")

    async with reader, writer:
        await publish(writer, subject, "a", "b")
        await eventually(lambda: sorted(handled) == ["a", "a", "b"], 60)
        await eventually(lambda: len(consumed(kit)) == 3)
    counts = [plain(span.attributes).get("messaging.message.delivery_count", 1) for span in consumed(kit)]
    assert sorted(counts) == [1, 1, 2]
    assert {span.name for span in consumed(kit)} == {f"process {subject}"}


@pytest.mark.slow
async def test_what_a_reader_that_left_did_not_finish_is_handled_by_the_next(open_stream, subject, eventually):
    """A message is acknowledged after its handling: stopped in the middle of it, it is another's, and none is lost."""
    first, second, writer = open_stream("reader"), open_stream("reader"), open_stream("writer")
    begun, handled = asyncio.Event(), []

    @first.subscriber(subject)
    async def never_ends(body: str):
        begun.set()
        await asyncio.Event().wait()

    @second.subscriber(subject)
    async def handle(body: str):
        handled.append(body)

    async with writer:
        async with first:
            await publish(writer, subject, "a")
            await asyncio.wait_for(begun.wait(), 30)
        async with second:
            await eventually(lambda: handled == ["a"], 60)  # NATS waits half a minute for an acknowledgement


async def test_a_poison_message_is_put_aside_with_its_trace_and_those_behind_it_go_on(
    open_stream, subject, eventually, kit, plain, series, monkeypatch
):
    """After so many deliveries it is in the dead-letter queue, in the same trace, and counted; the next is handled."""
    monkeypatch.setattr(dead_letters, "FIRST_DELAY_SECONDS", 0.01)
    reader, writer = open_stream("reader", max_deliveries=3), open_stream("writer")
    undertaker = open_stream("undertaker")
    handled, dead = [], asyncio.Queue()

    @reader.subscriber(subject)
    async def handle(body: str):
        handled.append(body)
        if body == "poison":
            raise ValueError("always")

    @undertaker.subscriber(f"dead.{subject}")
    async def bury(body: str, headers: dict = HEADERS):
        dead.put_nowait((body, headers["dead-reason"]))

    parent = kit.signals.tracers.get_tracer("t").start("parent", SpanKind.INTERNAL, None)
    async with undertaker, reader, writer:
        token = otel_context.attach(set_span_in_context(parent, otel_context.Context()))
        await publish(writer, subject, "poison", "good")
        otel_context.detach(token)
        assert await asyncio.wait_for(dead.get(), 60) == ("poison", "ValueError")
        await eventually(lambda: "good" in handled, 60)
        await eventually(lambda: len(consumed(kit)) == 5)
    assert handled.count("poison") == 3
    spans = kit.decoded_spans()
    assert {span.trace_id for span in spans} == {parent.trace_id}
    aside = next(span for span in spans if span.name == f"publish dead.{subject}")
    last = next(span for span in spans if span.span_id == aside.parent_span_id)
    attributes = plain(last.attributes)
    assert (last.name, attributes["clew.dead_letter"]) == (f"process {subject}", True)
    assert attributes["messaging.message.delivery_count"] == 3
    assert series(kit, "clew.dead_letter.messages") == [({"messaging.destination.name": subject}, 1)]


async def test_what_waits_and_how_old_it_is_are_measured(open_stream, subject, eventually, kit, series):
    """A reader that stops leaves a backlog, told by the group that it waits for; it drains when the reader goes on."""
    reader, writer = open_stream("reader"), open_stream("writer")
    writer.wire._service = "orders"  # whose subject it is
    go_on, handled = asyncio.Event(), []

    @reader.subscriber(subject)
    async def handle(body: str):
        await go_on.wait()
        handled.append(body)

    def waiting():
        return [
            value
            for labels, value in series(kit, "clew.messaging.backlog")
            if labels["messaging.destination.name"] == subject
        ]

    async with reader, writer:
        watched = [asyncio.create_task(stream.watch_backlog()) for stream in (reader, writer)]
        await publish(writer, subject, *range(30))
        await eventually(lambda: any(value >= 20 for value in waiting()), 60)
        go_on.set()
        await eventually(lambda: len(handled) == 30 and set(waiting()) == {0}, 60)
        for task in watched:
            task.cancel()
    ages = [count for labels, count in series(kit, "clew.messaging.message.age")]
    assert sum(ages) == 30


def consumed(kit):
    return [span for span in kit.decoded_spans() if span.kind == CONSUMER]
