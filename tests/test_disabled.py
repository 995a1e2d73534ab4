"""`OTEL_SDK_DISABLED=true`: no telemetry, but what a caller sent goes on to whom we call, as the specification says."""

import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import broker_servers
import httpx
import pytest

ASGI = """
import asyncio, os
from concurrent import futures
from contextlib import asynccontextmanager
import grpc, httpx
from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse
from faststream.nats import NatsBroker
from opentelemetry import trace
from instrumentation import get_logger, instrument, span

ECHO = os.environ["ECHO"]
broker = NatsBroker(os.environ["NATS"])

class Handler(grpc.GenericRpcHandler):
    def __init__(self, behavior):
        self._behavior = behavior
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(self._behavior)

async def call(request, context):
    await ask("grpc.aio")
    return request

def call_in_thread(request, context):
    httpx.get(f"{ECHO}/grpc")
    return request

@broker.subscriber("orders")
async def consume(message: str):
    await ask("nats")

@asynccontextmanager
async def lifespan(app):
    server = grpc.aio.server(handlers=[Handler(call)])
    threaded = grpc.server(futures.ThreadPoolExecutor(2), handlers=[Handler(call_in_thread)])
    app.state.ports = [each.add_insecure_port("127.0.0.1:0") for each in (server, threaded)]
    await server.start()
    threaded.start()
    await broker.start()
    yield
    await broker.stop()
    await server.stop(None)
    threaded.stop(None).wait()

app = FastAPI(lifespan=lifespan)
telemetry = instrument(app)
pool = futures.ThreadPoolExecutor(1)

async def ask(path):
    async with httpx.AsyncClient() as client:
        await client.get(f"{ECHO}/{path}")

@app.get("/all")
async def everything(later: BackgroundTasks):
    await ask("httpx")
    with span("work"), trace.get_tracer("t").start_as_current_span("api"):
        await ask("spans")
    await asyncio.wrap_future(pool.submit(httpx.get, f"{ECHO}/pool"))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.state.ports[0]}") as channel:
        await channel.unary_unary("/t.T/Call")(b"")
    await asyncio.to_thread(call_other)
    await broker.publish("hello", "orders")
    later.add_task(ask, "background")
    get_logger().debug("said")

def call_other():
    with grpc.insecure_channel(f"127.0.0.1:{app.state.ports[1]}") as channel:
        channel.unary_unary("/t.T/Call")(b"")

@app.get("/sync")
def sync():
    httpx.get(f"{ECHO}/sync")

@app.get("/stream")
async def stream():
    async def parts():
        yield "a"
        await ask("stream")
        yield "b"
    return StreamingResponse(parts())

assert telemetry.flush() and telemetry.ledger() == {}
"""
HOPS = {"httpx", "spans", "pool", "grpc.aio", "grpc", "nats", "background"}
WSGI = """
import os, sys
import httpx
from flask import Flask
from instrumentation import instrument
from wsgiref.simple_server import WSGIRequestHandler, make_server

ECHO = os.environ["ECHO"]
app = Flask(__name__)
instrument(app)

@app.get("/all")
def everything():
    httpx.get(f"{ECHO}/flask")
    return ""

@app.get("/stream")
def stream():
    def parts():
        yield "a"
        httpx.get(f"{ECHO}/stream")
        yield "b"
    return parts()

class Quiet(WSGIRequestHandler):
    def log_message(self, *args): pass
if __name__ == "__main__":
    make_server("127.0.0.1", int(sys.argv[1]), app, handler_class=Quiet).serve_forever()
"""
SENT = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate": "vendor=1",
    "baggage": "tenant=a%20b",
    "x-request-id": "r-1",
}


@pytest.fixture
def echo():
    """A real server that keeps the headers of each request by its path."""
    seen = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            seen[self.path[1:]] = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def nats(tmp_path_factory):
    with broker_servers.nats_server(tmp_path_factory.mktemp("nats")) as url:
        yield url


def carried(headers):
    """Return the headers that carry context, the request ID taken out of the baggage."""
    found = {name: headers[name] for name in SENT if name in headers}
    if "baggage" in found:
        members = sorted(found["baggage"].split(","))
        assert "request_id=r-1" in members
        found["baggage"] = ",".join(member for member in members if not member.startswith("request_id="))
    return found


def ended(process):
    process.send_signal(signal.SIGTERM)
    return process.communicate(timeout=20)


@pytest.mark.slow
def test_context_goes_through_every_hop(serve_program, fetch, otlp_sink, echo, nats, eventually):
    """By HTTP, gRPC, a broker, threads and background tasks the caller's context goes on unchanged; nothing is told."""
    url_of_echo, seen = echo
    process, url = serve_program(ASGI, OTEL_SDK_DISABLED="true", ECHO=url_of_echo, NATS=nats)
    body, headers = fetch(f"{url}/all", **SENT)
    assert (body, "traceresponse" in headers, "x-request-id" in headers) == ("null", False, False)
    eventually(lambda: seen.keys() >= HOPS)
    fetch(f"{url}/sync", **SENT)
    assert fetch(f"{url}/stream", **SENT)[0] == "ab"
    assert {path: carried(headers) for path, headers in seen.items()} == dict.fromkeys([*HOPS, "sync", "stream"], SENT)

    seen.clear()
    fetch(f"{url}/all")
    eventually(lambda: seen.keys() >= HOPS)
    assert {path: carried(headers) for path, headers in seen.items()} == {hop: {} for hop in HOPS}
    seen.clear()
    fetch(f"{url}/sync", **{"x-request-id": "r-1"})
    assert carried(seen["sync"]) == {"x-request-id": "r-1", "baggage": ""}
    assert httpx.get(f"{url}/metrics").status_code == 404
    out, err = ended(process)
    assert otlp_sink.requests == []
    assert '"trace_id"' not in out + err


@pytest.mark.parametrize(("trust", "goes_on"), [("continue", SENT), ("ignore", {"x-request-id": "r-1", "baggage": ""})])
def test_under_wsgi_too(run, free_port, fetch, otlp_sink, echo, trust, goes_on):
    """A Flask application passes on what it trusts, also from within a stream."""
    url_of_echo, seen = echo
    port = free_port()
    command = [sys.executable, "program.py", str(port)]
    process = run(WSGI, wait=False, command=command, OTEL_SDK_DISABLED="true", ECHO=url_of_echo, CLEW_TRUST=trust)
    fetch(f"http://127.0.0.1:{port}/all", **SENT)
    assert fetch(f"http://127.0.0.1:{port}/stream", **SENT)[0] == "ab"
    assert {path: carried(headers) for path, headers in seen.items()} == {"flask": goes_on, "stream": goes_on}
    ended(process)
    assert otlp_sink.requests == []


def test_without_propagators_nothing_goes_through(serve_program, fetch, echo, nats, eventually):
    """`OTEL_PROPAGATORS=none` beside it leaves every library and application as it was."""
    url_of_echo, seen = echo
    options = {"OTEL_SDK_DISABLED": "true", "OTEL_PROPAGATORS": "none"}
    process, url = serve_program(f"{ASGI}\nassert type(app) is FastAPI", ECHO=url_of_echo, NATS=nats, **options)
    fetch(f"{url}/all", **SENT)
    eventually(lambda: seen.keys() >= HOPS)
    assert {path: carried(headers) for path, headers in seen.items()} == {hop: {} for hop in HOPS}
    ended(process)


def test_uninstrument_gives_everything_back(run):
    """After `uninstrument` the application's class and the libraries' functions are their own again."""
    code = """
    import httpx, threading
    from fastapi import FastAPI
    send, start = httpx.Client.send, threading.Thread.start
    from instrumentation import instrument
    app = FastAPI()
    telemetry = instrument(app)
    assert (type(app) is FastAPI, httpx.Client.send is send, threading.Thread.start is start) == (False, False, False)
    telemetry.uninstrument()
    assert (type(app) is FastAPI, httpx.Client.send is send, threading.Thread.start is start) == (True, True, True)
    """
    status, _, err = run(code, OTEL_SDK_DISABLED="true")
    assert (status, err) == (0, "")
