"""The server of a gRPC service: callers hear of replicas that were added, and none of their calls fails for it."""

import asyncio

import grpc.aio
from shop.reliability.process import grpc_server

METHOD = "/t.Peer/WhoAmI"


async def test_connections_end_and_no_call_does(free_port):
    """A connection takes new calls for so long; a call under way ends well, and the next goes over a new one."""
    address = f"127.0.0.1:{free_port()}"

    async def who(_request, context):
        await asyncio.sleep(0.01)
        return context.peer().encode()

    def register(server):
        handlers = {"WhoAmI": grpc.unary_unary_rpc_method_handler(who)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.Peer", handlers),))

    peers = set()
    async with (
        grpc_server(address, "t.Peer", register, connection_seconds=0.3),
        grpc.aio.insecure_channel(address) as channel,
    ):
        call = channel.unary_unary(METHOD)
        async with asyncio.timeout(20):
            while len(peers) < 3:
                peers |= set(await asyncio.gather(*(call(b"") for _ in range(8))))
