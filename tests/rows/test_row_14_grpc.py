"""gRPC as a service meets it: one call of `instrument`, then every kind of call on a real server."""

import subprocess
import sys

import pytest

KINDS = ["unary_unary", "unary_stream", "stream_unary", "stream_stream"]
CLIENT, SERVER = 3, 2

SERVICE = """
    from instrumentation import instrument
    telemetry = instrument(service_name="stock")

    import asyncio, sys, threading
    from concurrent.futures import ThreadPoolExecutor
    import grpc, grpc.aio

    KINDS = ["unary_unary", "unary_stream", "stream_unary", "stream_stream"]

    def generic(service):
        methods = {kind: getattr(grpc, kind + "_rpc_method_handler")(getattr(service, kind)) for kind in KINDS}
        return grpc.method_handlers_generic_handler("shop.Stock", methods)
"""

THREADS = (
    SERVICE
    + """
    class Stock:
        def __init__(self):
            self.waiting = threading.Event()

        def unary_unary(self, request, context):
            if request == b"wait":
                gone = threading.Event()
                context.add_callback(gone.set)
                self.waiting.set()
                gone.wait(20)
            return request

        def unary_stream(self, request, context):
            yield from (request, request)

        def stream_unary(self, requests, context):
            return b"".join(requests)

        def stream_stream(self, requests, context):
            yield from requests

    stock = Stock()
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((generic(stock),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = {kind: getattr(channel, kind)(f"/shop.Stock/{kind}") for kind in KINDS}
        assert call["unary_unary"](b"a") == b"a"
        assert list(call["unary_stream"](b"a")) == [b"a", b"a"]
        assert call["stream_unary"](iter([b"a", b"b"])) == b"ab"
        assert list(call["stream_stream"](iter([b"a", b"b"]))) == [b"a", b"b"]
        try:
            call["unary_unary"](b"wait", timeout=0.3)
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        stock.waiting.clear()
        waiting = call["unary_unary"].future(b"wait")
        assert stock.waiting.wait(10)
        waiting.cancel()
    server.stop(5).wait()
    assert telemetry.shutdown(10)
"""
)

TASKS = (
    SERVICE
    + """
    class Stock:
        def __init__(self):
            self.waiting = asyncio.Event()

        async def unary_unary(self, request, context):
            if request == b"wait":
                self.waiting.set()
                await asyncio.Event().wait()
            return request

        async def unary_stream(self, request, context):
            yield request
            yield request

        async def stream_unary(self, requests, context):
            return b"".join([request async for request in requests])

        async def stream_stream(self, requests, context):
            async for request in requests:
                yield request

    async def main():
        stock = Stock()
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((generic(stock),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = {kind: getattr(channel, kind)(f"/shop.Stock/{kind}") for kind in KINDS}
            assert await call["unary_unary"](b"a") == b"a"
            assert [each async for each in call["unary_stream"](b"a")] == [b"a", b"a"]
            assert await call["stream_unary"](iter([b"a", b"b"])) == b"ab"
            assert [each async for each in call["stream_stream"](iter([b"a", b"b"]))] == [b"a", b"b"]
            try:
                await call["unary_unary"](b"wait", timeout=0.3)
            except grpc.aio.AioRpcError as error:
                assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            stock.waiting.clear()
            waiting = call["unary_unary"](b"wait")
            await stock.waiting.wait()
            waiting.cancel()
            try:
                await waiting
            except asyncio.CancelledError:
                pass
        await server.stop(5)

    asyncio.run(main())
    assert telemetry.shutdown(10)
"""
)

CALLS = [*((kind, "OK") for kind in KINDS), ("unary_unary", "DEADLINE_EXCEEDED"), ("unary_unary", "CANCELLED")]


@pytest.mark.parametrize("program", [THREADS, TASKS], ids=["sync", "aio"])
def test_every_kind_of_call(run, otlp_sink, plain, program):
    """Four kinds, a deadline and a cancellation: a span and a point of `rpc.*.call.duration` each, on both sides."""
    code, _, err = run(program)
    assert (code, err) == (0, "")
    expected = sorted((f"shop.Stock/{kind}", status) for kind, status in CALLS)
    spans = otlp_sink.records("traces")
    by_id = {span.span_id: span for span in spans}
    for side, name in ((CLIENT, "rpc.client.call.duration"), (SERVER, "rpc.server.call.duration")):
        of_side = [span for span in spans if span.kind == side]
        assert sorted((span.name, plain(span.attributes)["rpc.response.status_code"]) for span in of_side) == expected
        assert all(plain(span.attributes)["rpc.system.name"] == "grpc" for span in of_side)
        assert _series(otlp_sink, plain, name) == dict.fromkeys(expected, 1)
    for span in spans:
        if span.kind == SERVER:
            parent = by_id[span.parent_span_id]
            assert (parent.kind, parent.name, parent.trace_id) == (CLIENT, span.name, span.trace_id)
    assert len(spans) == 2 * len(CALLS)


def _series(sink, plain, name):
    """Return the count of each (method, status) of a duration in seconds, as last sent."""
    (*_, metric) = [metric for metric in sink.records("metrics") if metric.name == name]
    assert metric.unit == "s"
    counts = {}
    for point in metric.histogram.data_points:
        attributes = plain(point.attributes)
        counts[attributes["rpc.method"], attributes["rpc.response.status_code"]] = point.count
        assert 0 < point.sum < 30
    return counts


def test_the_committed_stubs_are_those_of_the_contracts():
    """Generating the stubs again gives no difference."""
    command = [sys.executable, "-m", "shop.contracts.generate", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
