"""gRPC calls: one span and one duration on each side, one trace, the status as the convention names it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from opentelemetry import context as otel_context
from opentelemetry.trace import SpanKind, get_current_span, set_span_in_context

from instrumentation.baggage import with_baggage
from instrumentation.integrations import grpc as integration
from instrumentation.integrations.grpc_client import server_of

CLIENT, SERVER = 3, 2
ERROR = 2
REMOTE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{REMOTE}-b7ad6b7169203331-01"


class Service:
    """Handlers of every kind; `seen` holds what each call of Echo found as its current span and metadata."""

    def __init__(self):
        self.seen = []
        self.waiting = asyncio.Event()

    async def echo(self, request, context):
        self.seen.append((get_current_span(), dict(context.invocation_metadata())))
        return request

    async def abort(self, request, context):
        await context.abort(grpc.StatusCode[request.decode()], "on purpose")

    async def set_code(self, request, context):
        context.set_code(grpc.StatusCode.ALREADY_EXISTS)
        return b""

    async def fail(self, request, context):
        raise ValueError("broken")

    async def wait(self, request, context):
        self.waiting.set()
        await asyncio.Event().wait()

    async def count(self, request, context):
        for number in range(int(request)):
            yield b"%d" % number

    async def join(self, requests, context):
        return b"".join([request async for request in requests])

    async def mirror(self, requests, context):
        async for request in requests:
            yield request

    def threaded(self, request, context):
        self.seen.append((get_current_span(), {}))
        return request

    def handlers(self):
        unary = grpc.unary_unary_rpc_method_handler
        return grpc.method_handlers_generic_handler(
            "shop.Stock",
            {
                "Echo": unary(self.echo),
                "Abort": unary(self.abort),
                "SetCode": unary(self.set_code),
                "Fail": unary(self.fail),
                "Wait": unary(self.wait),
                "Threaded": unary(self.threaded),
                "Count": grpc.unary_stream_rpc_method_handler(self.count),
                "Join": grpc.stream_unary_rpc_method_handler(self.join),
                "Mirror": grpc.stream_stream_rpc_method_handler(self.mirror),
            },
        )


class Pair:
    """A server and a channel to it, both made while the kit is installed."""

    def __init__(self, service, channel, port):
        self.service = service
        self.channel = channel
        self.port = port

    def unary(self, name):
        return self.channel.unary_unary(f"/shop.Stock/{name}")


@pytest.fixture
def install(kit):
    undos = []

    def do(used=kit):
        undos.append(integration.install(used.signals))

    yield do
    for undo in reversed(undos):
        undo()


@pytest.fixture
async def serve():
    """Start a server and open a channel to it, with whatever is installed then."""
    closers = []

    async def make(interceptors=()):
        service = Service()
        server = grpc.aio.server(ThreadPoolExecutor(2), interceptors=interceptors)
        server.add_generic_rpc_handlers((service.handlers(),))
        health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        closers.append((server, channel))
        return Pair(service, channel, port)

    yield make
    for server, channel in closers:
        await channel.close()
        await server.stop(None)


@pytest.fixture
async def pair(install, serve):
    install()
    return await serve()


@pytest.fixture
def both(kit, eventually):
    """Wait for both spans of one call; returns the client's and the server's."""

    async def wait():
        await eventually(lambda: len(kit.spans) == 2)
        return sorted(kit.decoded_spans(), key=lambda span: -span.kind)

    return wait


async def test_a_call_is_a_span_and_a_duration_on_each_side(kit, pair, both, plain, series):
    """Names, attributes and metrics are the convention's, and the server's span is the client's child."""
    assert await pair.unary("Echo")(b"x") == b"x"
    client, server = await both()
    method = {"rpc.system.name": "grpc", "rpc.method": "shop.Stock/Echo", "rpc.response.status_code": "OK"}
    where = {"server.address": "127.0.0.1", "server.port": pair.port}
    assert (client.name, client.kind, client.status.code) == ("shop.Stock/Echo", CLIENT, 0)
    assert (server.name, server.kind, server.status.code) == ("shop.Stock/Echo", SERVER, 0)
    assert plain(client.attributes) == {**method, **where}
    request_id = pair.service.seen[0][0].request_id
    assert plain(server.attributes) == {**method, "request_id": request_id}
    assert len(request_id) == 32
    assert (server.trace_id, server.parent_span_id) == (client.trace_id, client.span_id)
    assert series(kit, "rpc.client.call.duration") == [({**method, **where}, 1)]
    assert series(kit, "rpc.server.call.duration") == [(method, 1)]


async def test_the_handler_has_the_context_of_its_caller(kit, pair, both):
    """Inside of the handler the server's span is current; request ID, baggage and the caller's metadata arrive."""
    parent = kit.signals.tracers.get_tracer("t").start("parent", SpanKind.INTERNAL, None)
    parent.request_id = "r-1"
    context = with_baggage(otel_context.Context(), {"tenant": "a b", "ключ": "not for gRPC"})
    token = otel_context.attach(set_span_in_context(parent, with_baggage(otel_context.Context(), {"tenant": "a b"})))
    try:
        await pair.unary("Echo")(b"x", metadata=(("traceparent", TRACEPARENT), ("tracestate", "x=1"), ("mine", "1")))
    finally:
        otel_context.detach(token)
    client, server = await both()
    ((span, metadata),) = pair.service.seen
    assert (client.trace_id, client.parent_span_id) == (parent.trace_id, parent.span_id)
    assert (span.span_id, span.request_id) == (server.span_id, "r-1")
    assert metadata["traceparent"] == f"00-{client.trace_id.hex()}-{client.span_id.hex()}-01"
    assert (metadata["mine"], metadata["x-request-id"]) == ("1", "r-1")
    assert metadata["baggage"] == "request_id=r-1,tenant=a%20b"
    assert "tracestate" not in metadata
    token = otel_context.attach(context)
    try:
        assert await pair.unary("Echo")(b"y") == b"y"  # what gRPC cannot carry is left out, the call goes through
    finally:
        otel_context.detach(token)


@pytest.mark.parametrize(("code", "is_servers"), [("NOT_FOUND", False), ("UNAVAILABLE", True), ("CANCELLED", False)])
async def test_an_aborted_call_has_its_code(kit, pair, both, plain, series, code, is_servers):
    """Any code but OK fails the client's span; the server's only where the server is at fault."""
    with pytest.raises(grpc.aio.AioRpcError):
        await pair.unary("Abort")(code.encode())
    client, server = await both()
    assert (client.status.code, client.status.message) == (ERROR, f"{code}: on purpose")
    assert plain(client.attributes)["error.type"] == code
    assert plain(server.attributes)["rpc.response.status_code"] == code
    assert (server.status.code == ERROR, "error.type" in plain(server.attributes)) == (is_servers, is_servers)
    assert not server.events
    ((labels, _),) = series(kit, "rpc.server.call.duration")
    assert ("error.type" in labels) == is_servers


async def test_a_code_that_the_handler_sets_is_recorded(pair, both, plain):
    """`set_code` without an exception is the call's status on both sides."""
    with pytest.raises(grpc.aio.AioRpcError):
        await pair.unary("SetCode")(b"")
    assert [plain(span.attributes)["rpc.response.status_code"] for span in await both()] == ["ALREADY_EXISTS"] * 2


async def test_an_exception_of_the_handler_is_recorded_and_answered_as_before(pair, both, plain):
    """The server's span has the exception, and gRPC answers UNKNOWN as it does without the kit."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await pair.unary("Fail")(b"")
    assert raised.value.code() is grpc.StatusCode.UNKNOWN
    _, server = await both()
    assert (server.status.code, server.status.message) == (ERROR, "ValueError: broken")
    assert plain(server.events[0].attributes)["exception.type"] == "ValueError"
    assert plain(server.attributes)["rpc.response.status_code"] == "UNKNOWN"


async def test_a_deadline_is_one_on_both_sides(pair, both, plain):
    """A call that takes too long is DEADLINE_EXCEEDED for the client and for the handler that was cancelled."""
    with pytest.raises(grpc.aio.AioRpcError):
        await pair.unary("Wait")(b"", timeout=0.2)
    spans = await both()
    assert [plain(span.attributes)["rpc.response.status_code"] for span in spans] == ["DEADLINE_EXCEEDED"] * 2
    assert [span.status.code for span in spans] == [ERROR] * 2


async def test_a_cancelled_call_reaches_the_server(pair, both, plain):
    """Cancelling the call ends both spans as CANCELLED, which is no failure of the server."""
    call = pair.unary("Wait")(b"")
    await pair.service.waiting.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    client, server = await both()
    assert [plain(span.attributes)["rpc.response.status_code"] for span in (client, server)] == ["CANCELLED"] * 2
    assert (client.status.code, server.status.code) == (ERROR, 0)


async def test_a_cancelled_task_cancels_its_call(pair, both, plain):
    """Cancelling the task that awaits the call does not leave the call running."""
    task = asyncio.create_task(_call(pair.unary("Wait")))
    await pair.service.waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [plain(span.attributes)["rpc.response.status_code"] for span in await both()] == ["CANCELLED"] * 2


async def _call(method):
    return await method(b"")


async def test_an_unreachable_server_is_unavailable(kit, install, unused_tcp_port, eventually, plain):
    """A call that reaches no server has a failed client span with code UNAVAILABLE."""
    install()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{unused_tcp_port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await channel.unary_unary("/shop.Stock/Echo")(b"", timeout=5)
    (span,) = kit.decoded_spans()
    assert plain(span.attributes)["error.type"] == "UNAVAILABLE"


async def test_unknown_methods_are_one_series(pair, kit, eventually, plain, series):
    """Methods that the server does not have share `_OTHER`; their names are on the span alone."""
    for number in range(5):
        with pytest.raises(grpc.aio.AioRpcError):
            await pair.unary(f"No{number}")(b"")
    await eventually(lambda: len(kit.spans) == 10)
    ((labels, count),) = series(kit, "rpc.server.call.duration")
    assert (labels["rpc.method"], labels["rpc.response.status_code"], count) == ("_OTHER", "UNIMPLEMENTED", 5)
    server = next(span for span in kit.decoded_spans() if span.kind == SERVER)
    assert (server.name, plain(server.attributes)["rpc.method_original"]) == ("grpc", "shop.Stock/No0")


async def test_every_kind_of_stream_is_one_span_on_each_side(pair, kit, both, plain):
    """Streams of requests, responses and both work as before and end their spans with their status."""

    async def requests():
        yield b"a"
        yield b"b"

    channel = pair.channel
    assert [each async for each in channel.unary_stream("/shop.Stock/Count")(b"3")] == [b"0", b"1", b"2"]
    await _ended_ok(kit, both, plain)
    assert await channel.stream_unary("/shop.Stock/Join")(requests()) == b"ab"
    await _ended_ok(kit, both, plain)
    assert [each async for each in channel.stream_stream("/shop.Stock/Mirror")(requests())] == [b"a", b"b"]
    await _ended_ok(kit, both, plain)
    call = channel.stream_stream("/shop.Stock/Mirror")()
    await call.write(b"c")
    assert await call.read() == b"c"
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    await _ended_ok(kit, both, plain)


async def _ended_ok(kit, both, plain):
    client, server = await both()
    assert (server.trace_id, server.parent_span_id) == (client.trace_id, client.span_id)
    assert [plain(span.attributes)["rpc.response.status_code"] for span in (client, server)] == ["OK", "OK"]
    kit.spans.clear()


async def test_health_checks_are_in_neither_traces_nor_metrics(kit, pair, series):
    """grpc.health.v1 answers, and nothing is recorded on either side."""
    answer = await health_pb2_grpc.HealthStub(pair.channel).Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert not kit.spans
    assert not series(kit, "rpc.server.call.duration") + series(kit, "rpc.client.call.duration")


async def test_the_server_never_takes_an_ambient_parent(install, kit, serve, eventually):
    """A server started inside of a span makes roots of calls that carry no context."""
    bare = grpc.aio.insecure_channel
    install()
    with kit.signals.tracers.get_tracer("t").start_as_current_span("ambient"):
        pair = await serve()
    async with bare(f"127.0.0.1:{pair.port}") as channel:
        await channel.unary_unary("/shop.Stock/Echo")(b"")
    await eventually(lambda: len(kit.spans) == 2)
    assert kit.decoded_spans()[1].parent_span_id == b""


@pytest.mark.parametrize("trust", ["continue", "link", "ignore"])
async def test_the_trust_mode_decides_about_the_callers_trace(make_kit, serve, eventually, trust):
    """A caller's trace is continued, linked to from a new one, or ignored; its request ID is taken always."""
    bare = grpc.aio.insecure_channel
    kit = make_kit(trust=trust)
    undo = integration.install(kit.signals)
    pair = await serve()
    undo()
    async with bare(f"127.0.0.1:{pair.port}") as channel:
        metadata = (("traceparent", TRACEPARENT), ("x-request-id", "r-2"))
        await channel.unary_unary("/shop.Stock/Echo")(b"", metadata=metadata)
    await eventually(lambda: len(kit.spans) == 1)
    (span,) = kit.decoded_spans()
    assert (span.trace_id.hex() == REMOTE) == (trust == "continue")
    assert [link.trace_id.hex() for link in span.links] == ([REMOTE] if trust == "link" else [])
    assert pair.service.seen[0][0].request_id == "r-2"


async def test_100_parallel_calls_have_their_own_traces(kit, pair, eventually):
    """Calls at the same time, of tasks with traces of their own, do not mix parents."""
    tracer, echo = kit.signals.tracers.get_tracer("t"), pair.unary("Echo")

    async def one(number):
        with tracer.start_as_current_span(f"task {number}"):
            await echo(b"%d" % number)

    await asyncio.gather(*(one(number) for number in range(100)))
    await eventually(lambda: len(kit.spans) == 300)
    spans = kit.decoded_spans()
    by_id = {span.span_id: span for span in spans}
    called = [span for span in spans if span.kind in (CLIENT, SERVER)]
    assert len({span.trace_id for span in spans}) == 100
    assert all(by_id[span.parent_span_id].trace_id == span.trace_id for span in called)
    assert all(by_id[span.parent_span_id].kind == CLIENT for span in spans if span.kind == SERVER)


async def test_other_interceptors_still_work(kit, install, serve, both):
    """The application's own interceptors are called too."""
    seen = []

    class Own(grpc.aio.ServerInterceptor):
        async def intercept_service(self, continuation, handler_call_details):
            seen.append(handler_call_details.method)
            return await continuation(handler_call_details)

    install()
    pair = await serve([Own()])
    await pair.unary("Echo")(b"")
    await both()
    assert seen == ["/shop.Stock/Echo"]


async def test_a_handler_in_a_thread_has_the_span_too(pair, both):
    """grpc.aio runs plain functions in threads: the span is current there."""
    assert await pair.unary("Threaded")(b"x") == b"x"
    _, server = await both()
    assert pair.service.seen[0][0].span_id == server.span_id


async def test_servers_and_channels_with_threads_are_observed(kit, install, eventually, plain):
    """The API with threads makes the same spans, with OK, abort and exception told apart."""

    def echo(request, context):
        if request == b"abort":
            context.abort(grpc.StatusCode.NOT_FOUND, "no")
        return request or 1 / 0

    install()
    server = grpc.server(ThreadPoolExecutor(2))
    handler = grpc.unary_unary_rpc_method_handler(echo)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Old", {"Echo": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()

    def calls():
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            method = channel.unary_unary("/shop.Old/Echo")
            assert method(b"x") == b"x"
            for request in (b"abort", b""):
                with pytest.raises(grpc.RpcError):
                    method(request)

    await asyncio.to_thread(calls)
    await asyncio.to_thread(server.stop(None).wait)
    await eventually(lambda: len(kit.spans) == 6)
    spans = kit.decoded_spans()
    by_id = {span.span_id: span for span in spans}
    served = [span for span in spans if span.kind == SERVER]
    codes = [plain(span.attributes)["rpc.response.status_code"] for span in served]
    assert codes == ["OK", "NOT_FOUND", "UNKNOWN"]
    assert [[event.name for event in span.events] for span in served] == [[], [], ["exception"]]
    sent = [by_id[span.parent_span_id] for span in served]
    assert [plain(span.attributes)["rpc.response.status_code"] for span in sent] == codes


async def test_undo_restores_and_install_works_again(kit, serve, eventually):
    """After undo new servers and channels are not observed; after another install they are."""
    originals = grpc.aio.server, grpc.aio.insecure_channel, grpc.server
    for expected in (2, 4):
        undo = integration.install(kit.signals)
        observed = await serve()
        undo()
        assert (grpc.aio.server, grpc.aio.insecure_channel, grpc.server) == originals
        await observed.unary("Echo")(b"")
        await (await serve()).unary("Echo")(b"")
        await eventually(lambda expected=expected: len(kit.spans) == expected)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("orders:50051", ("orders", 50051)),
        ("dns:///orders.shop:50051", ("orders.shop", 50051)),
        ("dns://8.8.8.8/orders:1", ("orders", 1)),
        ("ipv4:127.0.0.1:9,127.0.0.2:9", ("127.0.0.1", 9)),
        ("[::1]:50051", ("::1", 50051)),
        ("unix:///run/orders.sock", ("/run/orders.sock", 0)),
        ("unix:run/orders.sock", ("run/orders.sock", 0)),
        ("orders", ("orders", 0)),
    ],
)
def test_the_servers_address_is_read_from_the_target(target, expected):
    """Every form of target that gRPC's naming document lists gives host and port."""
    assert server_of(target) == expected
