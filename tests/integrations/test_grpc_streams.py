"""Streams and threads: the four kinds of call, on servers and channels of both APIs, ended in every way."""

import asyncio
import contextlib
import gc
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import grpc.aio
import pytest
from opentelemetry.trace import get_current_span

from instrumentation.integrations import grpc as integration
from instrumentation.integrations import logging as log_integration

CLIENT, SERVER = 3, 2
ERROR = 2
KINDS = ["unary_unary", "unary_stream", "stream_unary", "stream_stream"]
DEADLINE_SECONDS = 0.3


class Behavior:
    """Does as the request says.

    Attributes:
        waiting: Set when a handler waits.
        released: Set when the client has gone: a handler in a thread waits for it.
    """

    def __init__(self):
        self.log = logging.getLogger("shop.stock")
        self.waiting = threading.Event()
        self.released = threading.Event()

    def act(self, request, context):
        """Act in a thread."""
        self.log.warning("handling")
        if request == b"abort":
            context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")
        if request == b"fail":
            raise ValueError("broken")
        if request == b"set":
            context.set_code(grpc.StatusCode.ALREADY_EXISTS)
        if request == b"wait":
            context.add_callback(self.released.set)
            self.waiting.set()
            assert self.released.wait(20)

    async def act_async(self, request, context):
        """Act in a task."""
        self.log.warning("handling")
        if request == b"abort":
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")
        if request == b"fail":
            raise ValueError("broken")
        if request == b"set":
            context.set_code(grpc.StatusCode.ALREADY_EXISTS)
        if request == b"wait":
            self.waiting.set()
            await asyncio.Event().wait()


class Threads(Behavior):
    """Handlers that are plain functions."""

    def unary_unary(self, request, context):
        self.act(request, context)
        return request

    def unary_stream(self, request, context):
        yield b"first"
        self.act(request, context)
        if request == b"endless":
            while True:
                yield b"more"
        yield b"last"

    def stream_unary(self, requests, context):
        for request in requests:
            self.act(request, context)
        return b"all"

    def stream_stream(self, requests, context):
        for request in requests:
            self.act(request, context)
            yield request


class Tasks(Behavior):
    """Handlers that are coroutines."""

    async def unary_unary(self, request, context):
        await self.act_async(request, context)
        return request

    async def unary_stream(self, request, context):
        yield b"first"
        await self.act_async(request, context)
        while request == b"endless":
            yield b"more"
        yield b"last"

    async def stream_unary(self, requests, context):
        async for request in requests:
            await self.act_async(request, context)
        return b"all"

    async def stream_stream(self, requests, context):
        async for request in requests:
            await self.act_async(request, context)
            yield request


def handlers(service):
    constructors = {kind: getattr(grpc, f"{kind}_rpc_method_handler") for kind in KINDS}
    methods = {kind: make(getattr(service, kind)) for kind, make in constructors.items()}
    return grpc.method_handlers_generic_handler("shop.Stock", methods)


class Served:
    """A server of one API, and a channel of one API to it.

    Attributes:
        service: The handlers.
        call: Coroutine function (kind, request, timeout): makes a call and reads all; returns the status code's name.
    """

    def __init__(self, service, port, channel, *, threads):
        self.service = service
        self.port = port
        self.channel = channel
        self._threads = threads

    async def call(self, kind, request, timeout=None):  # noqa: ASYNC109 gRPC's own word
        if self._threads:
            return await asyncio.to_thread(self._call, kind, request, timeout)
        method = getattr(self.channel, kind)(f"/shop.Stock/{kind}")
        try:
            call = method(iter([request]) if kind.startswith("stream") else request, timeout=timeout)
            if kind.endswith("stream"):
                async for _ in call:
                    pass
            else:
                await call
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "OK"

    def _call(self, kind, request, timeout):
        method = getattr(self.channel, kind)(f"/shop.Stock/{kind}")
        try:
            answer = method(iter([request]) if kind.startswith("stream") else request, timeout=timeout)
            if kind.endswith("stream"):
                list(answer)
        except grpc.RpcError as error:
            return error.code().name
        return "OK"

    def begin(self, kind, request):
        """Begin a call and return it."""
        method = getattr(self.channel, kind)(f"/shop.Stock/{kind}")
        given = iter([request]) if kind.startswith("stream") else request
        return method.future(given) if self._threads and kind.endswith("unary") else method(given)


@pytest.fixture
async def serve(kit):
    """Start a server with `server` handlers and open a channel of `client` API; both `tasks` or `threads`."""
    undos = [integration.install(kit.signals), log_integration.install(kit.signals)]
    closers = []

    async def make(server, client, handlers_of=None):
        service = {"threads": Threads, "tasks": Tasks}[handlers_of or server]()
        instance = (grpc.aio if server == "tasks" else grpc).server(ThreadPoolExecutor(4))
        instance.add_generic_rpc_handlers((handlers(service),))
        port = instance.add_insecure_port("127.0.0.1:0")
        started = instance.start()
        if started is not None:
            await started
        module = grpc.aio if client == "tasks" else grpc
        channel = module.insecure_channel(f"127.0.0.1:{port}")

        async def close():
            closed = channel.close()
            if closed is not None:
                await closed
            stopped = instance.stop(None)
            if asyncio.iscoroutine(stopped):
                await stopped
            else:
                await asyncio.to_thread(stopped.wait)

        closers.append(close)
        return Served(service, port, channel, threads=client == "threads")

    yield make
    for close in closers:
        await close()
    for undo in reversed(undos):
        undo()


@pytest.fixture
def both(kit, eventually, plain):
    """Wait for both spans of one call; returns them and the code of each."""

    async def wait():
        await eventually(lambda: len(kit.spans) == 2)
        spans = sorted(kit.decoded_spans(), key=lambda span: -span.kind)
        client, server = spans
        assert (server.trace_id, server.parent_span_id) == (client.trace_id, client.span_id)
        return client, server, [plain(span.attributes)["rpc.response.status_code"] for span in spans]

    return wait


SHAPES = [("tasks", "tasks"), ("threads", "threads"), ("threads", "tasks")]
shapes = pytest.mark.parametrize(("server", "client"), SHAPES, ids=["aio", "sync", "aio client, sync server"])
kinds = pytest.mark.parametrize("kind", KINDS)


@shapes
@kinds
@pytest.mark.parametrize(
    ("request_", "code"),
    [(b"x", "OK"), (b"abort", "NOT_FOUND"), (b"set", "ALREADY_EXISTS"), (b"fail", "UNKNOWN")],
)
async def test_every_kind_has_its_status(kit, serve, both, plain, series, server, client, kind, request_, code):
    """Each kind of call of each API is a span and a duration on both sides, with the status that the client saw."""
    served = await serve(server, client)
    assert await served.call(kind, request_) == code
    sent, handled, codes = await both()
    assert codes == [code, code]
    assert (sent.name, handled.name) == (f"shop.Stock/{kind}",) * 2
    assert [event.name for event in handled.events] == (["exception"] if code == "UNKNOWN" else [])
    assert (sent.status.code == ERROR, handled.status.code == ERROR) == (code != "OK", code == "UNKNOWN")
    for name in ("rpc.client.call.duration", "rpc.server.call.duration"):
        ((labels, count),) = series(kit, name)
        assert (labels["rpc.method"], labels["rpc.response.status_code"], count) == (f"shop.Stock/{kind}", code, 1)
    records = kit.decoded_logs()
    assert {(record.trace_id, record.span_id) for record in records} == {(handled.trace_id, handled.span_id)}
    assert [record.body.string_value for record in records if record.severity_number < 17] == ["handling"]
    assert len([record for record in records if record.severity_number >= 17]) == (code == "UNKNOWN")


@kinds
@pytest.mark.parametrize(
    ("request_", "code"), [(b"x", "OK"), (b"abort", "NOT_FOUND"), (b"set", "ALREADY_EXISTS"), (b"fail", "UNKNOWN")]
)
async def test_functions_on_an_aio_server(kit, serve, both, kind, request_, code):
    """grpc.aio runs plain functions in threads: code, log lines and the line about a failure are the span's too."""
    if (kind, request_) == ("unary_stream", b"abort"):
        request_, code = b"x", "OK"  # where a generator aborts grpc.aio itself may send no status at all
    served = await serve("tasks", "tasks", handlers_of="threads")
    assert await served.call(kind, request_) == code
    _, handled, codes = await both()
    assert codes == [code, code]
    assert [event.name for event in handled.events] == (["exception"] if code == "UNKNOWN" else [])
    records = kit.decoded_logs()
    assert {(record.trace_id, record.span_id) for record in records} == {(handled.trace_id, handled.span_id)}
    assert len([record for record in records if record.severity_number >= 17]) == (code == "UNKNOWN")


@shapes
@kinds
async def test_a_deadline_is_one_on_both_sides(serve, both, server, client, kind):
    """A call that takes too long is DEADLINE_EXCEEDED for both, also where the handler is not interrupted."""
    served = await serve(server, client)
    assert await served.call(kind, b"wait", DEADLINE_SECONDS) == "DEADLINE_EXCEEDED"
    sent, handled, codes = await both()
    assert codes == ["DEADLINE_EXCEEDED"] * 2
    assert (sent.status.code, handled.status.code) == (ERROR, ERROR)


@shapes
@kinds
async def test_a_cancelled_call_is_one_on_both_sides(serve, both, server, client, kind):
    """A call that the client cancels is CANCELLED for both, which is no failure of the server."""
    served = await serve(server, client)
    call = served.begin(kind, b"wait")
    assert await asyncio.to_thread(served.service.waiting.wait, 10)
    call.cancel()
    sent, handled, codes = await both()
    assert codes == ["CANCELLED"] * 2
    assert (sent.status.code, handled.status.code, len(handled.events)) == (ERROR, 0, 0)


@pytest.mark.parametrize("request_", [b"endless", b"wait"])
async def test_a_stream_that_nobody_reads_to_its_end(serve, both, request_):
    """A stream that is dropped is cancelled as it is without the kit, and ends its spans."""
    served = await serve("threads", "threads")
    call = served.begin("unary_stream", request_)
    assert await asyncio.to_thread(next, call) == b"first"
    if request_ == b"wait":
        assert await asyncio.to_thread(served.service.waiting.wait, 10)
    del call
    _, _, codes = await both()
    assert codes == ["CANCELLED"] * 2


@pytest.mark.parametrize("client", ["tasks", "threads"])
async def test_closing_the_channel_ends_its_streams(serve, both, client):
    """A stream under way when its channel is closed ends its span, also one that nobody holds any more.

    grpc.aio keeps such a stream running until then.
    """
    served = await serve("tasks", client)
    call = served.begin("unary_stream", b"wait")
    assert await asyncio.to_thread(served.service.waiting.wait, 10)
    if client == "tasks":
        del call
        gc.collect()
    closed = served.channel.close()
    if closed is not None:
        await closed
    _, _, codes = await both()
    assert codes == ["CANCELLED"] * 2


async def test_a_single_threaded_stream_that_is_dropped(serve, both):
    """A stream that has no thread to tell it of its end ends its span too."""
    served = await serve("threads", "threads")
    options = [(grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1)]
    with grpc.insecure_channel(f"127.0.0.1:{served.port}", options) as channel:
        call = channel.unary_stream("/shop.Stock/unary_stream")(b"endless")
        assert next(call) == b"first"
        del call
        _, _, codes = await both()
    assert codes == ["CANCELLED"] * 2


async def test_a_call_with_threads_is_the_one_that_grpc_made(serve, both):
    """The object that a caller gets is gRPC's own, and callbacks of its own are called."""
    served = await serve("threads", "threads")
    ended = threading.Event()
    call = served.begin("unary_unary", b"x")
    assert isinstance(call, grpc.Call)
    call.add_done_callback(lambda _: ended.set())
    assert await asyncio.to_thread(call.result, 10) == b"x"
    del call
    assert await asyncio.to_thread(ended.wait, 10)
    _, _, codes = await both()
    assert codes == ["OK"] * 2


@pytest.fixture
def kit(request, make_kit):
    """With message events where a test asks for them."""
    return make_kit(rpc_message_events=getattr(request, "param", False))


SENT, RECEIVED = "SENT", "RECEIVED"
MESSAGES = {
    "unary_unary": ([SENT, RECEIVED], [RECEIVED, SENT]),
    "unary_stream": ([SENT, RECEIVED, RECEIVED], [RECEIVED, SENT, SENT]),
    "stream_unary": ([SENT, RECEIVED], [RECEIVED, SENT]),
    "stream_stream": ([SENT, RECEIVED], [RECEIVED, SENT]),
}


@shapes
@kinds
@pytest.mark.parametrize("kit", [True, False], indirect=True, ids=["on", "off"])
async def test_messages_are_events_if_wanted(request, kit, serve, both, plain, server, client, kind):
    """With the setting each message is an event with direction and number; without it there is none."""
    served = await serve(server, client)
    assert await served.call(kind, b"x") == "OK"
    sent, handled, codes = await both()
    assert codes == ["OK", "OK"]
    told = [[plain(event.attributes) for event in span.events] for span in (sent, handled)]
    if kit.signals.settings.rpc_message_events:
        assert [[each["rpc.message.type"] for each in events] for events in told] == list(MESSAGES[kind])
        assert all(each["rpc.message.id"] >= 1 for events in told for each in events)
    else:
        assert told == [[], []]


@pytest.mark.parametrize("kit", [True], indirect=True)
async def test_messages_by_read_and_write(kit, serve, both, plain):
    """grpc.aio's other way, `read` and `write` on call and context, tells of messages as well."""
    await serve("tasks", "tasks")

    async def mirror(_, context):
        while (message := await context.read()) is not grpc.aio.EOF:
            await context.write(message)

    server = grpc.aio.server()
    handler = grpc.stream_stream_rpc_method_handler(mirror)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Other", {"Mirror": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.stream_stream("/shop.Other/Mirror")()
        await call.write(b"a")
        assert await call.read() == b"a"
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        spans = (await both())[:2]
    await server.stop(None)
    told = [[plain(event.attributes)["rpc.message.type"] for event in span.events] for span in spans]
    assert told == [[SENT, RECEIVED], [RECEIVED, SENT]]


async def test_functions_that_were_imported_by_name_before(kit, eventually):
    """A module that has imported grpc's functions before `install` makes observed servers and channels with them."""
    import sys
    import types

    module = types.ModuleType("imported_before")
    exec("from grpc.aio import insecure_channel as open_channel, server", vars(module))
    originals = dict(vars(module))
    sys.modules["imported_before"] = module
    undo = integration.install(kit.signals)
    try:
        service = Tasks()
        server = module.server()
        server.add_generic_rpc_handlers((handlers(service),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with module.open_channel(f"127.0.0.1:{port}") as channel:
            assert await channel.unary_unary("/shop.Stock/unary_unary")(b"x") == b"x"
        await server.stop(None)
        await eventually(lambda: len(kit.spans) == 2)
    finally:
        undo()
        del sys.modules["imported_before"]
    assert (module.server, module.open_channel) == (originals["server"], originals["open_channel"])


async def test_a_thread_of_the_pool_keeps_nothing(kit, serve, both):
    """After a call no span is left current in the threads that handlers run in."""
    seen = []
    pool = ThreadPoolExecutor(1)
    service = Threads()
    undo = integration.install(kit.signals)
    server = grpc.aio.server(pool)
    server.add_generic_rpc_handlers((handlers(service),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    undo()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        for request in (b"x", b"fail", b"abort"):
            with contextlib.suppress(grpc.aio.AioRpcError):
                await channel.unary_unary("/shop.Stock/unary_unary")(request)
            seen.append(await asyncio.wrap_future(pool.submit(get_current_span)))
    await server.stop(None)
    assert not any(span.get_span_context().is_valid for span in seen)
