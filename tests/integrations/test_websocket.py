"""Websockets and streams behind a real uvicorn: one span each, as long as it lasts, and none of it in the latency."""

import asyncio
import http.client
import signal

import pytest
import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus

SERVICE = """
import asyncio
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from instrumentation import instrument, span

app = FastAPI()
instrument(app, service_name="talk")

@app.websocket("/rooms/{room}")
async def rooms(socket: WebSocket, room: str):
    await socket.accept()
    try:
        while True:
            text = await socket.receive_text()
            if text == "leave":
                await socket.close(4001)
                return
            if text == "fail":
                raise RuntimeError("no good")
            with span("said"):
                await socket.send_text(text)
    except WebSocketDisconnect:
        pass

@app.websocket("/closed")
async def closed(socket: WebSocket):
    await socket.close()

@app.get("/events/{number}")
async def events(number: int):
    async def parts():
        for part in range(number):
            with span("event"):
                yield f"data: {part}\\n\\n"
            await asyncio.sleep(0.02)
    return StreamingResponse(parts(), media_type="text/event-stream")

@app.get("/quick")
async def quick():
    return "ok"
"""
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def served(serve_program, fetch):
    """The service, up; returns its address and what ends it."""
    process, url = serve_program(SERVICE)
    fetch(f"{url}/quick")

    def stop():
        process.send_signal(signal.SIGTERM)
        return process.communicate(timeout=30)

    return url.removeprefix("http://"), stop


def servers(otlp_sink, plain):
    return [
        (span, plain(span.attributes))
        for span in otlp_sink.records("traces")
        if span.kind == 2 and span.name != "GET /quick"
    ]


async def test_a_connection_is_one_span(served, otlp_sink, plain, fetch):
    """From handshake to close there is one SERVER span with status 101 and the close code, parent of what is done."""
    address, stop = served
    headers = {"traceparent": TRACEPARENT}
    async with websockets.connect(f"ws://{address}/rooms/7", additional_headers=headers, proxy=None) as socket:
        assert socket.response.headers["traceresponse"][3:35] == TRACEPARENT[3:35]
        for word in ("a", "b", "c"):
            await socket.send(word)
            assert await socket.recv() == word
            await asyncio.sleep(0.02)
        await socket.send("leave")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    page, _ = await asyncio.to_thread(fetch, f"http://{address}/metrics")
    await asyncio.to_thread(stop)
    ((span, attributes),) = servers(otlp_sink, plain)
    assert (span.name, span.trace_id.hex(), span.parent_span_id.hex()) == (
        "GET /rooms/{room}",
        TRACEPARENT[3:35],
        TRACEPARENT[36:52],
    )
    assert (attributes["http.response.status_code"], attributes["http.route"]) == (101, "/rooms/{room}")
    assert (attributes["url.scheme"], attributes["websocket.close_code"]) == ("ws", 4001)
    assert span.status.code == 0
    assert span.end_time_unix_nano - span.start_time_unix_nano >= 60_000_000
    said = [child for child in otlp_sink.records("traces") if child.kind == 1]
    assert [(child.name, child.parent_span_id) for child in said] == [("said", span.span_id)] * 3
    assert _counts(page) == {"/quick": 1}
    lines = [record.body.string_value for record in otlp_sink.records("logs")]
    assert "GET /rooms/{room} 101" in lines


async def test_who_leaves_is_refused_or_fails(served, otlp_sink, plain):
    """The client's close code, a refused handshake and an exception are told apart."""
    address, stop = served
    socket = await websockets.connect(f"ws://{address}/rooms/1", proxy=None)
    await socket.close(4002)
    with pytest.raises(InvalidStatus):
        await websockets.connect(f"ws://{address}/closed", proxy=None)
    async with websockets.connect(f"ws://{address}/rooms/2", proxy=None) as failing:
        await failing.send("fail")
        with pytest.raises(ConnectionClosed):
            await failing.recv()
    await asyncio.to_thread(stop)
    found = {attributes["url.path"]: (span, attributes) for span, attributes in servers(otlp_sink, plain)}
    statuses = {path: attributes["http.response.status_code"] for path, (_, attributes) in found.items()}
    assert statuses == {"/rooms/1": 101, "/closed": 403, "/rooms/2": 101}
    assert found["/rooms/1"][1]["websocket.close_code"] == 4002
    failed = found["/rooms/2"][0]
    assert (failed.status.code, failed.status.message) == (2, "RuntimeError: no good")


def test_a_stream_s_span_ends_with_its_body(served, otlp_sink, plain, fetch):
    """A stream's span lasts as long as its parts do and is in no histogram; so does one whose client goes away."""
    address, stop = served
    body, _ = fetch(f"http://{address}/events/5")
    assert body.count("data:") == 5
    client = http.client.HTTPConnection(address, timeout=10)
    client.request("GET", "/events/1000000")
    assert client.getresponse().read(4) == b"data"
    client.close()  # with thousands of parts to come
    otlp_sink.wait_for(lambda: len(servers(otlp_sink, plain)) == 2)
    page, _ = fetch(f"http://{address}/metrics")
    assert _counts(page) == {"/quick": 1}
    stop()
    whole, left = sorted(servers(otlp_sink, plain), key=lambda found: found[0].start_time_unix_nano)
    assert whole[0].end_time_unix_nano - whole[0].start_time_unix_nano >= 80_000_000
    assert (whole[0].status.code, left[1]["http.response.status_code"]) == (0, 200)
    parents = [span.parent_span_id for span in otlp_sink.records("traces") if span.name == "event"]
    assert parents.count(whole[0].span_id) == 5
    assert left[0].status.code == 0


def _counts(page):
    """Return the requests in the latency histogram by route."""
    lines = [line for line in page.splitlines() if line.startswith("http_server_request_duration_seconds_count")]
    counts = {line.partition('http_route="')[2].partition('"')[0]: int(line.rpartition(" ")[2]) for line in lines}
    return {route: count for route, count in counts.items() if count}
