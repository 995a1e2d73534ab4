"""Row 21: what asyncio does to contexts when bodies are large, requests are pipelined and clients go away."""

import asyncio
import re
from collections import Counter

import pytest
from served_program import ServedProgram

SERVICE = """
import asyncio
import logging
from fastapi import BackgroundTasks, FastAPI, Request
from fastapi.responses import StreamingResponse
from opentelemetry import trace
from instrumentation import instrument, span

app = FastAPI()
instrument(app, service_name="kept_alive")
log = logging.getLogger("served")

def work(kind, number):
    with span(kind, number=number):
        log.info(kind, extra={"number": number})

@app.post("/read/{number}")
async def read(number: int, request: Request, tasks: BackgroundTasks):
    work("before", number)
    size = len(await request.body())
    work("after", number)
    tasks.add_task(work, "background", number)
    return f"{trace.get_current_span().get_span_context().trace_id:032x} {size}"

@app.post("/stream/{number}")
async def stream(number: int, request: Request):
    async for _ in request.stream():
        pass
    async def parts():
        try:
            for _ in range(200):
                with span("part", number=number):
                    yield b"x" * 1000
                await asyncio.sleep(0)
        finally:
            work("closed", number)
    return StreamingResponse(parts())
"""
BODY = b"b" * 100 * 1024
AT_ONCE = 4
CONNECTIONS = 8
FLAWS = ("different Context", "Traceback", "was never awaited", "Exception ignored")


def head(kind, number):
    """Return the head of a request that has a trace of its own."""
    return (
        f"POST /{kind}/{number} HTTP/1.1\r\nHost: shop\r\nContent-Length: {len(BODY)}\r\n"
        f"traceparent: 00-{number:032x}-{number:016x}-01\r\n\r\n"
    ).encode()


async def answer(reader):
    """Return the body of the next answer."""
    lines = await reader.readuntil(b"\r\n\r\n")
    assert lines.startswith(b"HTTP/1.1 200"), lines
    length = int(re.search(rb"content-length: (\d+)", lines, re.IGNORECASE)[1])
    return (await reader.readexactly(length)).decode().strip('"')


async def kept_alive(port, numbers):
    """Send requests on one connection, some at once; return their numbers and what was answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = {}
    for first in range(0, len(numbers), AT_ONCE):
        some = numbers[first : first + AT_ONCE]
        for number in some:
            writer.write(head("read", number) + BODY)
        await writer.drain()
        answers.update([(number, await answer(reader)) for number in some])
    writer.close()
    await writer.wait_closed()
    return answers


async def goes_away(port, numbers):
    """Break requests off: half of them amid the body, half amid the answer, which is a stream."""
    for number in numbers:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        if number % 2:
            writer.write(head("read", number) + BODY[: len(BODY) // 2])
            await writer.drain()
        else:
            writer.write(head("stream", number) + BODY)
            await reader.readuntil(b"x" * 1000)
        writer.transport.abort()


async def attack(port, whole, broken):
    """Send all requests at once, on some connections each."""
    shares = [kept_alive(port, whole[n::CONNECTIONS]) for n in range(CONNECTIONS)]
    away = [goes_away(port, broken[n::CONNECTIONS]) for n in range(CONNECTIONS)]
    answered, _ = await asyncio.gather(asyncio.gather(*shares), asyncio.gather(*away))
    return {number: text for share in answered for number, text in share.items()}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("server", ["httptools", "h11"])
def test_every_request_has_its_own_trace(server, pace, tell, tmp_path, make_otlp_sink):
    """Each server span, child span, background task and log line has the trace of its own request."""
    count = pace.times(quick=200, whole=10_000)
    whole, broken = range(1, count * 9 // 10), range(count * 9 // 10, count + 1)
    sink = make_otlp_sink()
    with ServedProgram(tmp_path, SERVICE, "--http", server, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint) as served:
        answers = asyncio.run(attack(served.port, whole, broken))
        printed = served.end()
    sink.close()
    spans, logs = sink.records("traces"), sink.records("logs")
    servers = [span for span in spans if span.kind == span.SPAN_KIND_SERVER]
    children = [span for span in spans if span.kind == span.SPAN_KIND_INTERNAL]
    lines = [record for record in logs if number_of(record) is not None]
    told = {number: f"{number:032x} {len(BODY)}" for number in whole}
    wrong = [
        *(f"{flaw!r} was printed" for flaw in FLAWS if flaw in printed),
        *(f"{number} was answered {text}" for number, text in answers.items() if told.pop(number) != text),
        *(f"{number} was not answered" for number in told),
        *(f"a record of {number_of(record)} is of {record.trace_id.hex()}" for record in strays(children + lines)),
        *wrong_servers(servers, whole, broken),
        *wrong_work(children, whole),
    ]
    tell(
        f"{count} requests of 100 KiB with a trace each, {AT_ONCE} at once on {CONNECTIONS} connections of {server}, "
        "every tenth broken off amid its body or its streamed answer",
        f"{len(servers)} server spans, {len(children)} child spans, {len(lines)} log records, {len(wrong)} wrong",
        wrong[:20],
    )


def number_of(record):
    """Return the number of the request that a child span or log record was made for; None if for none."""
    return next((item.value.int_value for item in record.attributes if item.key == "number"), None)


def strays(records):
    """Return those that are in another trace than their request's."""
    return [record for record in records if int(record.trace_id.hex(), 16) != number_of(record)]


def wrong_servers(spans, whole, broken):
    """Tell of server spans that have another caller than their own, and of requests without one, or with two."""
    seen = Counter()
    for span in spans:
        (path,) = [item.value.string_value for item in span.attributes if item.key == "url.path"]
        number = int(path.rpartition("/")[2])
        seen[number] += 1
        if (int(span.trace_id.hex(), 16), int(span.parent_span_id.hex(), 16)) != (number, number):
            yield f"the server span of {number} is of {span.trace_id.hex()}"
    yield from (f"{number} has {seen[number]} server spans" for number in whole if seen[number] != 1)
    yield from (f"{number}, broken off, has {seen[number]} server spans" for number in broken if seen[number] > 1)


def wrong_work(spans, whole):
    """Tell of work of whole requests whose span is missing."""
    seen = Counter(span.name for span in spans if number_of(span) in whole)
    return [
        f"{seen[name]} of {len(whole)} {name}" for name in ("before", "after", "background") if seen[name] != len(whole)
    ]
