"""Requests of httpx clients: one CLIENT span and one duration each, and the context in the headers."""

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from opentelemetry import context as otel_context
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.trace import SpanKind, set_span_in_context

from instrumentation.baggage import with_baggage
from instrumentation.integrations import httpx as integration
from instrumentation.integrations.http import HttpServer

CLIENT, SERVER = 3, 2
ERROR = 2
DURATION = "http.client.request.duration"


class Served:
    """A real HTTP server whose requests the kit observes too.

    Attributes:
        address: Host and port.
        headers: Of each request.
    """

    def __init__(self, kit):
        self.headers = []
        http = HttpServer(kit.signals, "test")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                lines = [(name.lower().encode(), value.encode()) for name, value in self.headers.items()]
                path = self.path.partition("?")[0]
                span, token = http.start("GET", lines)
                status = int(path.rpartition("/")[2]) if path.startswith("/status/") else 200
                http.finish(span, "GET", None, status, path, "http")
                otel_context.detach(token)
                self.send_response(status)
                if status == 302:
                    self.send_header("location", "/after")
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"


@pytest.fixture
def served(kit):
    served = Served(kit)
    thread = threading.Thread(target=served.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    served.server.shutdown()
    thread.join()
    served.server.server_close()


@pytest.fixture
def installed(kit):
    undo = integration.install(kit.signals)
    yield
    undo()


@pytest.fixture(params=["sync", "async"])
def get(request, installed):
    """Send a GET request with either kind of client."""

    async def sync(url, **options):
        with httpx.Client() as client:
            return client.get(url, **options)  # noqa: ASYNC212 the server has threads of its own

    async def asynchronous(url, **options):
        async with httpx.AsyncClient() as client:
            return await client.get(url, **options)

    return sync if request.param == "sync" else asynchronous


def clients(kit):
    return [span for span in kit.decoded_spans() if span.kind == CLIENT]


async def test_a_request_is_one_span_with_the_conventions_attributes(kit, served, get, plain, series):
    """Both kinds of client make one CLIENT span and one duration, without query and user information."""
    await get(f"http://me:secret@127.0.0.1:{served.port}/orders/7?token=t")
    (span,) = clients(kit)
    where = {"server.address": "127.0.0.1", "server.port": served.port}
    labels = {"http.request.method": "GET", **where, "http.response.status_code": 200}
    assert (span.name, span.status.code, len(span.events)) == ("GET", 0, 0)
    assert plain(span.attributes) == {**labels, "url.full": f"{served.url}/orders/7"}
    assert series(kit, DURATION) == [(labels, 1)]


async def test_httpx_s_own_line_has_no_secret(caplog, served, get):
    """The line that httpx logs of each request is without query, fragment and user information too."""
    caplog.set_level("INFO")
    await get(f"http://me:secret@127.0.0.1:{served.port}/orders/7?token=t#part")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "httpx"]
    assert line.startswith(f"HTTP Request: GET {served.url}/orders/7 ")


async def test_the_server_continues_trace_request_and_baggage(kit, served, get):
    """The server's span is a child of the client's, which is a child of the current one; the request ID is carried."""
    tracer = kit.signals.tracers.get_tracer("t")
    parent = tracer.start("parent", SpanKind.INTERNAL, None)
    parent.request_id = "r-1"
    token = otel_context.attach(set_span_in_context(parent, with_baggage(otel_context.Context(), {"tenant": "a b"})))
    try:
        await get(served.url)
    finally:
        otel_context.detach(token)
    parent.end()
    (client,) = clients(kit)
    (server,) = [span for span in kit.decoded_spans() if span.kind == SERVER]
    assert client.trace_id == server.trace_id == parent.trace_id
    assert (client.parent_span_id, server.parent_span_id) == (parent.span_id, client.span_id)
    (headers,) = served.headers
    assert headers["x-request-id"] == "r-1"
    assert headers["baggage"] == "request_id=r-1,tenant=a%20b"


async def test_the_callers_own_trace_headers_are_replaced(kit, served, get):
    """A traceparent and tracestate that the caller put there do not reach the server."""
    await get(served.url, headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "TraceState": "x=1"})
    (client,) = clients(kit)
    (headers,) = served.headers
    assert headers["traceparent"] == f"00-{client.trace_id.hex()}-{client.span_id.hex()}-01"
    assert "tracestate" not in headers


@pytest.mark.parametrize("status", [404, 503])
async def test_client_and_server_errors_are_errors_of_the_client(kit, served, get, plain, series, status):
    """From 400 on the span fails, and the status is the error type of span and metric."""
    await get(f"{served.url}/status/{status}")
    (span,) = clients(kit)
    assert span.status.code == ERROR
    assert plain(span.attributes)["error.type"] == str(status)
    ((labels, count),) = series(kit, DURATION)
    assert (labels["http.response.status_code"], labels["error.type"], count) == (status, str(status), 1)


async def test_a_refused_connection_is_recorded_and_raised_unchanged(kit, get, plain, series, unused_tcp_port):
    """Without an answer the error type is the exception's name, and the application gets its exception."""
    with pytest.raises(httpx.ConnectError):
        await get(f"http://127.0.0.1:{unused_tcp_port}/x")
    (span,) = clients(kit)
    assert span.status.code == ERROR
    assert plain(span.attributes)["error.type"] == "httpx.ConnectError"
    assert [event.name for event in span.events] == ["exception"]
    ((labels, _),) = series(kit, DURATION)
    assert "http.response.status_code" not in labels


async def test_redirects_are_part_of_their_request(kit, served, get, plain):
    """A request that is redirected is one span with the first URL and the last status."""
    await get(f"{served.url}/status/302", follow_redirects=True)
    (span,) = clients(kit)
    attributes = plain(span.attributes)
    assert attributes["url.full"].endswith("/status/302")
    assert attributes["http.response.status_code"] == 200
    assert len(served.headers) == 2


async def test_a_cancelled_request_ends_its_span(kit, installed):
    """Cancelling the task that waits for an answer ends the span as failed, and the task stays cancelled."""
    reached = asyncio.Event()

    async def never(request):
        reached.set()
        await asyncio.Event().wait()

    async with httpx.AsyncClient(transport=httpx.MockTransport(never)) as client:
        task = asyncio.create_task(client.get("http://shop/x"))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    (span,) = clients(kit)
    assert (span.status.code, span.status.message) == (ERROR, "CancelledError")


async def test_a_stream_ends_its_span_when_the_headers_have_arrived(kit, served, installed):
    """The body of a streamed response is not part of the span."""
    async with httpx.AsyncClient() as client, client.stream("GET", served.url) as response:
        assert len(clients(kit)) == 1
        assert await response.aread() == b"ok"


async def test_suppressed_and_unsampled_requests_make_no_span(make_kit, kit, served, get, series):
    """Under the API's suppression nothing is recorded or injected; an unsampled trace is measured only."""
    token = otel_context.attach(otel_context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
    try:
        await get(served.url)
    finally:
        otel_context.detach(token)
    assert not clients(kit)
    assert "traceparent" not in served.headers[0]
    off = make_kit("always_off")
    undo = integration.install(off.signals)
    await get(served.url)
    undo()
    assert not off.spans
    assert [count for _, count in series(off, DURATION)] == [1]
    assert served.headers[1]["traceparent"].endswith("-00")


async def test_100_parallel_requests_have_their_own_traces(kit, served, installed):
    """Requests at the same time, of tasks with traces of their own, do not mix parents."""
    tracer = kit.signals.tracers.get_tracer("t")

    async def one(client, number):
        with tracer.start_as_current_span(f"task {number}"):
            await client.get(f"{served.url}/{number}")

    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as group:
        for number in range(100):
            group.create_task(one(client, number))
    spans = kit.decoded_spans()
    tasks = {span.span_id: span.trace_id for span in spans if span.name.startswith("task")}
    sent = {span.span_id: span.trace_id for span in clients(kit)}
    assert len(set(tasks.values())) == len(sent) == 100
    assert all(tasks[span.parent_span_id] == span.trace_id for span in clients(kit))
    assert all(sent[span.parent_span_id] == span.trace_id for span in spans if span.kind == SERVER)


async def test_undo_restores_and_install_works_again(kit, served):
    """After undo no request is observed, also of a client that exists; after another install its requests are."""
    async with httpx.AsyncClient() as client:
        original = httpx.AsyncClient.send
        for _ in range(2):
            undo = integration.install(kit.signals)
            await client.get(served.url)
            undo()
            await client.get(served.url)
        assert httpx.AsyncClient.send is original
    assert len(clients(kit)) == 2
