"""Drive a server at a fixed rate and tell latencies from when each request was due, not from when it was sent.

So a request that waits because the server stalls counts with its waiting time: no coordinated omission.

    python -m benchmarks.fixed_rate PORT RATE SECONDS
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import deque

from benchmarks.closed_loop import Load
from benchmarks.processes import LOAD_CORE, ROOT

CONNECTIONS = 64
REQUEST = b"GET /items/42?q=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class Connection(asyncio.Protocol):
    """One request at a time on a connection that is kept alive."""

    def __init__(self, generator: "Generator") -> None:
        self._generator = generator
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready for a request."""
        self._transport = transport
        self._generator.idle.append(self)

    def send(self, due: float) -> None:
        """Send a request that was due at a time of the monotonic clock."""
        self._due = due
        self._transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        """Take the answer's last part, which is the JSON's end: the answer has no other brace."""
        if not data.endswith(b"}"):
            return
        self._generator.latencies.append(time.monotonic() - self._due)
        if self._generator.waiting:
            self.send(self._generator.waiting.popleft())
        else:
            self._generator.idle.append(self)


class Generator:
    """Requests that are due, connections that are idle, latencies in seconds."""

    def __init__(self) -> None:
        self.idle: deque[Connection] = deque()
        self.waiting: deque[float] = deque()
        self.latencies: list[float] = []

    async def run(self, port: int, rate: float, seconds: float) -> None:
        """Send `rate` requests a second and wait for the last answer."""
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", port)
        begin, number, total = time.monotonic(), 0, int(rate * seconds)
        while number < total:
            now = time.monotonic()
            while number < total and (due := begin + number / rate) <= now:
                number += 1
                if self.idle:
                    self.idle.popleft().send(due)
                else:
                    self.waiting.append(due)
            await asyncio.sleep(0.0005)
        for _ in range(1000):
            if len(self.latencies) == total:
                return
            await asyncio.sleep(0.01)
        sys.exit(f"{total - len(self.latencies)} of {total} requests were not answered within 10 s")


def drive(port: int, rate: float, seconds: float) -> Load:
    """Load the server from a process of its own, on the core of the load."""
    command = ["taskset", "-c", LOAD_CORE, sys.executable, "-m", "benchmarks.fixed_rate"]
    output = subprocess.run(
        [*command, str(port), str(rate), str(seconds)], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout
    return Load(*json.loads(output))


if __name__ == "__main__":
    generator = Generator()
    _, _port, _rate, _seconds = sys.argv
    asyncio.run(generator.run(int(_port), float(_rate), float(_seconds)))
    ordered = sorted(generator.latencies)
    print(json.dumps([len(ordered), float(_rate), ordered[int(len(ordered) * 0.99)] * 1000]))
