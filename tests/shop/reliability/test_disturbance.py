import asyncio
from contextlib import asynccontextmanager

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from shop.ports import free_ports
from shop.reliability.disturbance import CallFault
from shop.reliability.faults import Faults
from shop.reliability.process import grpc_server


@asynccontextmanager
async def serving(calls: CallFault):
    """Serve `Echo` and `Shout`, and give a function that calls one of them."""
    handlers = {name: grpc.unary_unary_rpc_method_handler(echo) for name in ("Echo", "Shout")}
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"

    def register(server: grpc.aio.Server) -> None:
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Talk", handlers)])

    async with grpc_server(address, "test.Talk", register, [calls]), grpc.aio.insecure_channel(address) as channel:

        async def call(method: str) -> bytes:
            return await channel.unary_unary(f"/test.Talk/{method}")(b"hello", timeout=10)

        call.channel = channel
        yield call


async def echo(request: bytes, _context: grpc.aio.ServicerContext) -> bytes:
    return request


async def switched(faults: Faults) -> None:
    """Let what was switched take effect in the loop."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_calls_of_one_method_fail_and_others_do_not():
    """The method fails with UNAVAILABLE until the fault ends; the health service answers all the time."""
    calls = CallFault()
    async with serving(calls) as call, Faults(calls=calls) as faults:
        assert await call("Echo") == b"hello"
        faults.put("calls", {"method": "Echo", "fails": True})
        await switched(faults)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call("Echo")
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert await call("Shout") == b"hello"
        faults.remove("calls")
        await switched(faults)
        assert await call("Echo") == b"hello"


async def test_all_calls_take_long_but_probes_of_health():
    """Without a method every call is late; none fails, and whoever asks for the service's health is answered."""
    calls = CallFault()
    async with serving(calls) as call, Faults(calls=calls) as faults:
        faults.put("calls", {"delay_seconds": 30})
        await switched(faults)
        late = asyncio.ensure_future(call("Shout"))
        stub = health_pb2_grpc.HealthStub(call.channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service="test.Talk"), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        assert not late.done()
        late.cancel()
