"""A grpc.aio server with one unary method on bytes; `SETUP` names what instruments it.

python -m benchmarks.grpc_app PORT
"""

import asyncio
import os
import signal
import sys

import grpc
import grpc.aio

from benchmarks.setups import SETUPS

METHOD = "/bench.Items/Read"


async def _read(request: bytes, _context: object) -> bytes:
    return request


async def main(port: int) -> None:
    """Serve until interrupted."""
    server = grpc.aio.server()
    handlers = {"Read": grpc.unary_unary_rpc_method_handler(_read)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Items", handlers),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    await interrupted.wait()
    await server.stop(None)


if __name__ == "__main__":
    tear_down = SETUPS[os.environ.get("SETUP", "bare")]()
    asyncio.run(main(int(sys.argv[1])))
    tear_down()
