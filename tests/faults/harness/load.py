"""Closed-loop load on one or more services, a request to each in turn, and the fate of every request.

As a program: `python -m harness.load OUTPUT RATE PORT...`; SIGTERM ends it. RATE is requests per second and service; 0
means as many as are answered. Latency counts from when a request was due, so that waiting for a stalled service counts.
"""

import asyncio
import json
import signal
import sys
import time
from collections import deque
from pathlib import Path
from typing import NamedTuple

from harness.process import Program

CONNECTIONS = 8
"""To each service; no more requests than that are on the way to it."""
PATIENCE_SECONDS = 30.0
FAILED = 0
"""Status of a request that was not answered."""


class Request(NamedTuple):
    """A request and what became of it.

    Attributes:
        due: When it was to be sent, of the monotonic clock.
        seconds: Until it was answered whole.
        status: Of the answer; 0 if there was none.
        correct: Whether the body is what it must be.
    """

    due: float
    seconds: float
    status: int
    correct: bool


class Connection(asyncio.Protocol):
    """One request at a time on a connection that is kept alive."""

    def __init__(self, target):
        self._target = target
        self._buffer = b""
        self._due = None

    def connection_made(self, transport):
        self._transport = transport
        self._target.ready(self)

    def send(self, due):
        self._due = due
        self._number = self._target.number()
        self._transport.write(b"GET /items/%d HTTP/1.1\r\nHost: probe\r\n\r\n" % self._number)

    def data_received(self, data):
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if len(body) >= length:
            self._buffer = b""
            self._settle(int(head[9:12]), body == b'{"item_id":%d}' % self._number)
            self._target.ready(self)

    def connection_lost(self, _error):
        if self._due is not None:
            self._settle(FAILED, False)
        self._target.lost(self)

    def _settle(self, status, correct):
        self._target.requests.append(Request(self._due, time.monotonic() - self._due, status, correct))
        self._due = None


class Target:
    """A service and what it was sent."""

    def __init__(self, port, *, eager):
        self.requests = []
        self._port = port
        self._eager = eager
        self._idle = deque()
        self._waiting = deque()
        self._sent = 0
        self._tasks = set()
        self.stopped = False

    async def connect(self):
        """Open one connection, as soon as there is somebody who takes it."""
        while not self.stopped:
            try:
                await asyncio.get_running_loop().create_connection(lambda: Connection(self), "127.0.0.1", self._port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return

    def number(self):
        self._sent += 1
        return self._sent

    def ready(self, connection):
        """Take a connection that waits for work."""
        if self._waiting:
            connection.send(self._waiting.popleft())
        elif self._eager and not self.stopped:
            connection.send(time.monotonic())
        else:
            self._idle.append(connection)

    def lost(self, connection):
        """Open another connection in place of one that was lost."""
        if connection in self._idle:
            self._idle.remove(connection)
        if not self.stopped:
            self._tasks.add(asyncio.ensure_future(self.connect()))

    def due(self, at):
        """Send a request that is due, or let it wait for a connection."""
        if self._idle:
            self._idle.popleft().send(at)
        else:
            self._waiting.append(at)

    def is_settled(self):
        return not self._waiting and len(self.requests) == self._sent

    def give_up(self):
        """Count what was never answered as failed."""
        left = self._sent - len(self.requests)
        self.requests += [Request(time.monotonic(), PATIENCE_SECONDS, FAILED, False)] * (left + len(self._waiting))


async def drive(ports, rate, stop):
    """Load the services until `stop`; return the requests by service."""
    targets = [Target(port, eager=not rate) for port in ports]
    for target in targets:
        for _ in range(CONNECTIONS):
            await target.connect()
    begun, number = time.monotonic(), 0
    while rate and not stop.is_set():
        number += 1
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        for target in targets[:: 1 if number % 2 else -1]:
            target.due(due)
    await stop.wait()
    end = time.monotonic() + PATIENCE_SECONDS
    for target in targets:
        target.stopped = True
        while not target.is_settled() and time.monotonic() < end:  # noqa: ASYNC110 the request path stays bare
            await asyncio.sleep(0.02)
        target.give_up()
    return [target.requests for target in targets]


async def main(rate, ports):
    """Drive until SIGTERM; return the requests by service."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    Path("ready").touch()  # noqa: ASYNC240 before there is any load
    return await drive(ports, rate, stop)


class Load:
    """The load as a process of its own."""

    def __init__(self, directory, rate, *ports):
        directory.mkdir(parents=True, exist_ok=True)
        self._output = directory / "requests.json"
        self._program = Program("-m", "harness.load", self._output, rate, *ports, directory=directory)
        end = time.monotonic() + 90
        while not (directory / "ready").exists():
            assert time.monotonic() < end, self._program.stderr()
            time.sleep(0.01)

    def stop(self):
        """End the load, wait for the last answers, and return the requests by service."""
        self._program.terminate(PATIENCE_SECONDS + 20)
        assert self._program.popen.returncode == 0, self._program.stderr()
        return [[Request(*each) for each in requests] for requests in json.loads(self._output.read_bytes())]

    def close(self):
        """End it whatever it does."""
        self._program.close()


if __name__ == "__main__":
    _, output, rate, *ports = sys.argv
    Path(output).write_text(json.dumps(asyncio.run(main(float(rate), map(int, ports)))))
