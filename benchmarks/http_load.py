"""Load on an HTTP server from connections that are kept alive: as fast as it answers, or at a fixed rate.

As fast as it answers, latencies omit what would have been sent while a request waited (coordinated omission). At a
fixed rate they are told from when each request was due, so one that waits because the server stalls counts with its
waiting time.
"""

import contextlib
import select
import socket
import sys
from collections import deque
from time import perf_counter

from benchmarks.processes import cpu_seconds
from benchmarks.slices import Slice

CLOSED_CONNECTIONS = 16
PACED_CONNECTIONS = 64
REQUEST = b"GET /items/42?q=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
ANSWER = b"HTTP/1.1 200 "
GRACE_SECONDS = 60


class Window:
    """The part of a slice that counts: what ended in it, and the CPU that a process took for it."""

    def __init__(self, pid: int, begin: float, end: float) -> None:
        self.end = end
        self._pid = pid
        self._begin = begin
        self._from: tuple[float, float] | None = None
        self._to: tuple[float, float] | None = None
        self.latencies_ms: list[float] = []
        self.total = 0

    def answered(self, due: float, now: float) -> None:
        """Count an operation that was due at one time and ended at another."""
        self.total += 1
        if self._from is None and now >= self._begin:
            self._from = now, cpu_seconds(self._pid)
        elif self._to is None and self._from is not None:
            self.latencies_ms.append((now - due) * 1000)
            if now >= self.end:
                self._to = now, cpu_seconds(self._pid)

    def slice(self) -> Slice:
        """Return what was seen."""
        if self._from is None:  # the machine was elsewhere all the time
            return Slice(0, 0.0, 0.0, (), self.total)
        begin, cpu_begin = self._from
        end, cpu_end = self._to or (perf_counter(), cpu_seconds(self._pid))
        return Slice(len(self.latencies_ms), end - begin, cpu_end - cpu_begin, self.latencies_ms, self.total)


class Load:
    """Open connections to a server, each with one request under way at most."""

    def __init__(self, port: int, count: int, window: Window) -> None:
        self._window = window
        self._sockets: dict[int, socket.socket] = {}
        self._due: dict[int, float] = {}
        self._heads: dict[int, bytes] = {}
        self._poll = select.epoll()
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port), GRACE_SECONDS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets[connection.fileno()] = connection
            self._poll.register(connection, select.EPOLLIN)
        self.idle = deque(self._sockets)

    def send(self, due: float) -> None:
        """Send a request on an idle connection."""
        number = self.idle.popleft()
        self._due[number] = due
        self._heads[number] = b""
        self._sockets[number].sendall(REQUEST)

    def receive(self, timeout: float) -> None:
        """Take what has arrived; connections whose answer is whole are idle again."""
        for number, _ in self._poll.poll(timeout):
            data = self._heads[number] + self._sockets[number].recv(65536)
            if not data.startswith(ANSWER):
                sys.exit(f"the server failed under load: {data[:200]!r}")
            if data.endswith(b"}"):  # the JSON's end: the answer has no other brace
                self._window.answered(self._due.pop(number), perf_counter())
                self.idle.append(number)
            else:
                self._heads[number] = data

    def finish(self) -> None:
        """Wait for what is under way, and close."""
        give_up = perf_counter() + GRACE_SECONDS
        while self._due and perf_counter() < give_up:
            self.receive(0.1)
        with contextlib.closing(self._poll):
            for connection in self._sockets.values():
                connection.close()
        if self._due:
            sys.exit(f"{len(self._due)} requests were not answered within {GRACE_SECONDS} s")


def drive(port: int, pid: int, lead_in: float, seconds: float, rate: float | None = None) -> Slice:
    """Load a server for one slice.

    Args:
        port: Of the server.
        pid: Of the process whose CPU counts.
        lead_in: Seconds before the window.
        seconds: Of the window.
        rate: Requests per second; None: as many as are answered.
    """
    connections = CLOSED_CONNECTIONS if rate is None else PACED_CONNECTIONS
    begin = perf_counter()
    window = Window(pid, begin + lead_in, begin + lead_in + seconds)
    load = Load(port, connections, window)
    if rate is None:
        _closed(load, window.end)
    else:
        _paced(load, begin, window.end, rate)
    load.finish()
    return window.slice()


def _closed(load: Load, end: float) -> None:
    while (now := perf_counter()) < end:
        while load.idle:
            load.send(now)
        load.receive(0.05)


def _paced(load: Load, begin: float, end: float, rate: float) -> None:
    number, waiting = 0, deque[float]()
    while (now := perf_counter()) < end or (waiting and now < end + GRACE_SECONDS):
        while (due := begin + number / rate) <= min(now, end):
            waiting.append(due)
            number += 1
        while waiting and load.idle:
            load.send(waiting.popleft())
        load.receive(max(0.0, min(due - now, 0.05)))
