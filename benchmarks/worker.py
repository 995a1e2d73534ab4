"""A process that is measured while it does one kind of operation, for as long as it is told.

    python -m benchmarks.worker WORKLOAD SETUP ADDRESS FILE_DESCRIPTOR

Over the descriptor, a socket, come lines with seconds of lead-in and window; for each goes back what was seen.
"""

import asyncio
import json
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import asdict
from importlib import import_module

from benchmarks.processes import SERVER_CORE, piped
from benchmarks.setups import SETUPS
from benchmarks.slices import Slice
from benchmarks.variants import OTLP, Variant

Burst = Callable[[], Awaitable[int]]
Opened = Callable[[str, str], AbstractAsyncContextManager[Burst]]


class Worker:
    """A worker that is up.

    Attributes:
        name: Of the variant.
        base: Of the variant that it is compared with.
        pid: Of its process.
    """

    def __init__(self, variant: Variant, pid: int, link: socket.socket) -> None:
        self.name = variant.name
        self.base = variant.base
        self.pid = pid
        self._link = link
        self._lines = link.makefile("r")

    def run(self, lead_in: float, seconds: float) -> Slice:
        """Let it work for one slice."""
        self._link.sendall(f"{json.dumps([lead_in, seconds])}\n".encode())
        return Slice(**json.loads(self._lines.readline()))


@contextmanager
def working(workload: str, address: str, variant: Variant, sink: str) -> Iterator[Worker]:
    """Run a worker until the block ends, which lets it deliver what it has."""
    environment = {**OTLP, "OTEL_EXPORTER_OTLP_ENDPOINT": sink, **variant.environment}
    command = [sys.executable, "-m", "benchmarks.worker", workload, variant.setup, address]
    with piped(SERVER_CORE, command, **environment) as (pid, link):
        yield Worker(variant, pid, link)


async def _slice(burst: Burst, lead_in: float, seconds: float) -> Slice:
    total, begin = 0, time.perf_counter() + lead_in
    while time.perf_counter() < begin:
        total += await burst()
    operations, begin, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() < begin + seconds:
        operations += await burst()
    cpu_seconds = time.process_time() - cpu
    return Slice(operations, time.perf_counter() - begin, cpu_seconds, (), total + operations)


async def _serve(workload: str, setup: str, address: str, link: socket.socket) -> None:
    opened: Opened = import_module(f"benchmarks.workloads.{workload}").opened
    reader, writer = await asyncio.open_connection(sock=link)
    async with opened(setup, address) as burst:
        while line := await reader.readline():
            seen = await _slice(burst, *json.loads(line))
            writer.write(f"{json.dumps(asdict(seen))}\n".encode())


if __name__ == "__main__":
    _, _workload, _setup, _address, _descriptor = sys.argv
    tear_down = SETUPS[_setup]()
    asyncio.run(_serve(_workload, _setup, _address, socket.socket(fileno=int(_descriptor))))
    tear_down()
