"""docs/captured.md says what leaves a service: held against one that does everything, with secrets in every place."""

import os
import re
import signal
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from websockets.sync.client import connect

from instrumentation.baggage import MAX_BAGGAGE_BYTES
from instrumentation.context import MAX_REQUEST_ID_BYTES, MAX_TRACESTATE_BYTES
from instrumentation.encode.otlp import MAX_VALUE_CHARACTERS
from instrumentation.integrations.http import MAX_CALLER_BYTES
from instrumentation.integrations.sql_statement import MAX_TEXT_CHARACTERS
from instrumentation.settings import Settings
from instrumentation.signals import series
from instrumentation.signals.metric import MAX_SERIES

PAGE = (Path(__file__).parents[2] / "docs" / "captured.md").read_text()
PROGRAM = """
import asyncio, os
from concurrent import futures
from contextlib import asynccontextmanager
import grpc, httpx
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from instrumentation import get_logger, instrument, span

engine = create_engine("sqlite:///" + os.environ["DATABASE"])
broker = NatsBroker(os.environ["NATS"], logger=None)
processed = asyncio.Event()
attempts = []

@broker.subscriber(
    "orders",
    stream=JStream("orders", subjects=["orders"]),
    durable="stock",
    pull_sub=PullSub(timeout=0.2),
    ack_policy=AckPolicy.NACK_ON_ERROR,
)
async def consume(body: str):
    attempts.append(body)
    if len(attempts) == 1:
        raise RuntimeError("no stock")
    processed.set()

async def call(request, context):
    return request

@asynccontextmanager
async def lifespan(app):
    server = grpc.aio.server()
    methods = {"Call": grpc.unary_unary_rpc_method_handler(call)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("t.T", methods)])
    app.state.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await broker.start()
    yield
    await broker.stop()
    await server.stop(None)

app = FastAPI(lifespan=lifespan)
instrument(app, service_name="captured")

@app.post("/echo/{number}")
async def echo(number: int, request: Request):
    return JSONResponse(await request.json(), headers={"x-answer": "canary-answer"})

@app.post("/all/{number}")
async def everything(number: int, request: Request):
    with span("work", currency="EUR"):
        get_logger("shop").info("worked", number=number)
    url = f"http://ann:canary-password@127.0.0.1:{os.environ['PORT']}/echo/7?coupon=canary-query"
    headers = {"authorization": "Bearer canary-bearer", "cookie": "a=canary-cookie"}
    async with httpx.AsyncClient(headers=headers) as client:
        await client.post(url, json={"card": "canary-body"})
        try:
            await client.get("http://127.0.0.1:9/nobody?coupon=canary-query")
        except httpx.ConnectError:
            pass
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE items (name TEXT UNIQUE) -- canary-comment"))
        connection.execute(text("INSERT INTO items VALUES (:name)"), [{"name": "canary-1"}, {"name": "canary-2"}])
        connection.execute(text("SELECT * FROM items WHERE name = 'canary-literal'"))
        try:
            connection.execute(text("INSERT INTO items VALUES ('canary-1')"))
        except SQLAlchemyError:
            pass
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.state.port}") as channel:
        metadata = (("authorization", "canary-metadata"),)
        await channel.unary_unary("/t.T/Call")(b"canary-call", metadata=metadata)
        try:
            await channel.unary_unary("/t.T/None")(b"canary-call")
        except grpc.aio.AioRpcError:
            pass
    await asyncio.to_thread(str)
    await broker.publish("canary-event", "orders", headers={"authorization": "canary-message-header"})
    await asyncio.wait_for(processed.wait(), 10)
    raise RuntimeError("no good")

@app.websocket("/live/{number}")
async def live(socket: WebSocket, number: int):
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.close(4000)
"""


NEVER = {
    "query strings and fragments of URLs": ("canary-query", "canary-fragment"),
    "users and passwords in URLs": ("canary-password",),
    "headers other than": (
        "canary-bearer",
        "canary-referer",
        "canary-metadata",
        "canary-message-header",
        "canary-answer",
    ),
    "cookies": ("canary-cookie",),
    "bodies of requests and answers": ("canary-body", "canary-said"),
    "messages of gRPC and of brokers": ("canary-call", "canary-event"),
    "addresses of callers": ("canary-forwarded",),
    "literals, parameters and comments of SQL": ("canary-literal", "canary-1", "canary-comment"),
    "messages of a database driver's exceptions": ("UNIQUE constraint failed",),
    "baggage": ("canary-baggage",),
    "the process's environment and command line": ("canary-environment",),
}


class Captured(NamedTuple):
    """What the service sent and printed."""

    sink: object
    out: str
    err: str


@pytest.fixture(scope="module")
def captured(tmp_path_factory, make_otlp_sink, nats_url, free_port, fetch):
    """A run of the service under uvicorn, with a real broker, database, gRPC server and callers."""
    directory, sink, port = tmp_path_factory.mktemp("captured"), make_otlp_sink(), free_port()
    (directory / "program.py").write_text(PROGRAM)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "CLEW_", "PYTEST_"))}
    environment |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
        "DATABASE": str(directory / "captured.sqlite"),
        "NATS": nats_url,
        "PORT": str(port),
        "CANARY": "canary-environment",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "program:app", "--port", str(port)],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            fetch(f"http://127.0.0.1:{port}/metrics")
            ask(port)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
            sink.close()
    return Captured(sink, out, err)


def ask(port):
    """Call the service in all ways."""
    url = f"http://127.0.0.1:{port}"
    headers = {
        "authorization": "Bearer canary-bearer",
        "cookie": "a=canary-cookie",
        "referer": "http://x/canary-referer",
        "x-forwarded-for": "canary-forwarded",
        "baggage": "tenant=canary-baggage",
    }
    body = {"card": "canary-body"}
    for method, path, status in (
        ("POST", "/all/7?coupon=canary-query#canary-fragment", 500),  # after which uvicorn closes the connection
        ("GET", "/nothing?coupon=canary-query", 404),
        ("PROPFIND", "/nothing", 404),
    ):
        assert httpx.request(method, url + path, json=body, headers=headers, timeout=30).status_code == status
    with connect(f"ws://127.0.0.1:{port}/live/7?coupon=canary-query", additional_headers=headers) as socket:
        socket.send("canary-said")
        assert socket.recv() == "canary-said"


def table(title, columns):
    """Return the rows of the table of a section, each as its cells."""
    _, _, rest = PAGE.partition(f"## {title}\n")
    section, _, _ = rest.partition("\n## ")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return [row for row in rows[2:] if len(row) == columns]


def names(cell):
    return set(re.findall(r"`([^`]+)`", cell))


def kind_of(scope, span):
    """Return the row that a span is told of in."""
    if scope == "instrumentation.asgi":
        return "websocket" if span.name.startswith("GET /live") else "HTTP request served (ASGI, WSGI)"
    return {
        ("instrumentation", Span.SPAN_KIND_INTERNAL): "`span()` of your own",
        ("instrumentation.httpx", Span.SPAN_KIND_CLIENT): "HTTP request sent (httpx)",
        ("instrumentation.grpc", Span.SPAN_KIND_SERVER): "gRPC call served",
        ("instrumentation.grpc", Span.SPAN_KIND_CLIENT): "gRPC call made",
        ("instrumentation.faststream", Span.SPAN_KIND_PRODUCER): "message published (FastStream)",
        ("instrumentation.faststream", Span.SPAN_KIND_CONSUMER): "message processed (FastStream)",
        ("instrumentation.sqlalchemy", Span.SPAN_KIND_CLIENT): "statement (SQLAlchemy)",
    }[scope, span.kind]


def test_the_attributes_of_spans(captured, plain):
    """Each kind of span has the attributes of its row, those of the first column always, and no others."""
    seen = {}
    for _, scope, span in captured.sink.resources("traces"):
        seen.setdefault(kind_of(scope.name, span), []).append(set(plain(span.attributes)))
    rows = {row: (names(always), names(sometimes)) for row, always, sometimes in table("Spans", 3)}
    assert seen.keys() == rows.keys()
    assert seen.pop("`span()` of your own") == [{"currency"}]
    for kind, sets in seen.items():
        always, sometimes = rows[kind]
        assert (kind, set.intersection(*sets) - sometimes, set.union(*sets)) == (kind, always, always | sometimes)


def test_the_resource(captured, plain):
    """The resource has the attributes that the page names."""
    resource, _, _ = captured.sink.resources("traces")[0]
    told, _, _ = PAGE.partition("## Spans")
    missing = [
        key for key in plain(resource.attributes) if key not in names(told) and not key.startswith("telemetry.sdk.")
    ]
    assert missing == []


def test_the_attributes_of_log_records(captured, plain):
    """The access line has the attributes of its row, a record of the service's own what it was given."""
    records = [
        (scope.name, record.body.string_value, set(plain(record.attributes)) - {"request_id"})
        for _, scope, record in captured.sink.resources("logs")
    ]
    rows = {row: names(attributes) for row, attributes in table("Log records and lines", 2)}
    assert set(chain(*[keys for logger, _, keys in records if logger == "access"])) == rows["access line"]
    assert [keys for logger, _, keys in records if logger == "shop"] == [{"number"}]
    (failed,) = [keys for logger, event, keys in records if logger == "uvicorn.error" and "Exception" in event]
    assert failed == rows["logged at WARNING or above"] | rows["logged with an exception"]


def test_the_labels_of_metrics(captured, plain):
    """Each metric of the kit's is in the table, with its unit and its labels, and each in the table was emitted."""
    seen = {}
    for _, scope, metric in captured.sink.resources("metrics"):
        if scope.name == "clew" and not metric.name.startswith("container."):
            for point in getattr(metric, metric.WhichOneof("data")).data_points:
                seen.setdefault((metric.name, metric.unit), set()).update(plain(point.attributes))
    rows = {(*names(name), unit): names(labels) for name, unit, labels in table("Metrics", 3)}
    assert seen == rows


@pytest.mark.parametrize("row", [row for (row,) in table("What never is", 1)])
def test_what_never_leaves(captured, row):
    """Nothing of what the service was given in that place is in what it sent or printed."""
    (canaries,) = [canaries for start, canaries in NEVER.items() if row.startswith(start)]
    everything = f"{captured.out}{captured.err}{captured.sink.requests}"
    assert [canary for canary in canaries if canary in everything] == []


def test_what_the_service_says_itself_is_taken(captured):
    """Paths, fields, messages of exceptions and details of a status are there: the check above sees them."""
    everything = str(captured.sink.requests)
    assert all(said in everything for said in ("/echo/7", "worked", "no good", "no stock", "Method not found!"))


def test_the_limits():
    """The page has the limits that hold."""
    settings = Settings()
    holds = {
        "attributes of a span": settings.span_attribute_count_limit,
        "events of a span": settings.span_event_count_limit,
        "links of a span": settings.span_link_count_limit,
        "characters of an attribute or event": MAX_VALUE_CHARACTERS,
        "characters of a statement": MAX_TEXT_CHARACTERS,
        "characters of a user agent": MAX_CALLER_BYTES,
        "bytes of baggage": MAX_BAGGAGE_BYTES,
        "bytes of a tracestate": MAX_TRACESTATE_BYTES,
        "characters of a metric's label": series.MAX_VALUE_CHARACTERS,
        "series of an instrument": MAX_SERIES,
        "characters of a request ID": MAX_REQUEST_ID_BYTES,
        "bytes held for all signals": settings.max_buffer_bytes,
    }
    assert {what: int(most) for what, most, _ in table("How much at most", 3)} == holds
