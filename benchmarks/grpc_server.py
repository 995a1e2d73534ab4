"""Unary calls on a grpc.aio server, on the core of what is measured; the clients share the other core."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import grpc.aio

from benchmarks.grpc_app import METHOD
from benchmarks.http_load import CLOSED_CONNECTIONS, Window
from benchmarks.processes import SERVER_CORE, free_port, started
from benchmarks.slices import Slice
from benchmarks.variants import OTLP, Variant

HEADERS = (
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("baggage", "request_id=7c1f"),
    ("x-request-id", "7c1f"),
)


class GrpcServer:
    """A server that is up; attributes as of `Subject`."""

    def __init__(self, variant: Variant, pid: int, port: int) -> None:
        self.name = variant.name
        self.base = variant.base
        self.pid = pid
        self._port = port

    def run(self, lead_in: float, seconds: float) -> Slice:
        """Load it for one slice."""
        begin = perf_counter()
        window = Window(self.pid, begin + lead_in, begin + lead_in + seconds)
        asyncio.run(self._drive(window))
        return window.slice()

    async def _drive(self, window: Window) -> None:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self._port}") as channel:
            read = channel.unary_unary(METHOD)

            async def calls() -> None:
                while (sent := perf_counter()) < window.end:
                    await read(b"42", metadata=HEADERS)
                    window.answered(sent, perf_counter())

            await asyncio.gather(*(calls() for _ in range(CLOSED_CONNECTIONS)))


@contextmanager
def serving(variant: Variant, sink: str) -> Iterator[GrpcServer]:
    """Run a server until the block ends, which lets it deliver what it has."""
    port = free_port()
    environment = {**OTLP, "SETUP": variant.setup, "OTEL_EXPORTER_OTLP_ENDPOINT": sink, **variant.environment}
    with started(SERVER_CORE, [sys.executable, "-m", "benchmarks.grpc_app", str(port)], port, **environment) as pid:
        yield GrpcServer(variant, pid, port)
