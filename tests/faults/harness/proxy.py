"""A TCP proxy that does to connections what networks do to them."""

import asyncio
import random
import socket
import struct
import threading
from enum import Enum, auto

from free_ports import find_free_port

RESET_AFTER_BYTES = 200
"""Within the body of every export: its head is longer than the first packet needs to be."""


class Weather(Enum):
    """What is done to connections.

    `REFUSED`: nobody listens. `HALF_OPEN`: accepted, and nothing is ever read or answered. `DRIPPING`: one byte a
    second each way, two seconds late. `LATE`: two seconds late, give or take one. `RESET`: RST within the body.
    """

    FAIR = auto()
    REFUSED = auto()
    HALF_OPEN = auto()
    DRIPPING = auto()
    LATE = auto()
    RESET = auto()


class ChaosProxy:
    """Stands in front of a receiver, on a port of its own, in a thread of its own.

    Attributes:
        tls: What it listens with from the next change of weather after `REFUSED`; None: without TLS.
    """

    def __init__(self, target_port, tls=None):
        self.tls = tls
        self.port = find_free_port()
        self._target_port = target_port
        self._weather = Weather.FAIR
        self._writers = set()
        self._tasks = set()
        self._server = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._call(self._listen())

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def turn(self, weather):
        """Change the weather. Connections that were stuck or being torn are gone with the weather that did it."""
        self._call(self._turn(weather))

    def close(self):
        """Stop."""
        self._call(self._turn(Weather.REFUSED))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _listen(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)

    async def _turn(self, weather):
        before, self._weather = self._weather, weather
        if before is not Weather.FAIR or weather is Weather.REFUSED:
            await self._drop_all()
        if weather is Weather.REFUSED and self._server:
            self._server.close()
            self._server = None
        elif weather is not Weather.REFUSED and self._server is None:
            await self._listen()

    async def _drop_all(self):
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            await self._relay(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _relay(self, reader, writer):
        if self._weather is Weather.HALF_OPEN:
            writer.transport.pause_reading()
            await asyncio.Event().wait()
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        try:
            there = asyncio.ensure_future(self._pump(reader, far_writer, writer))
            back = asyncio.ensure_future(self._pump(far_reader, writer, None))
            try:
                await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in (there, back):
                    pump.cancel()
                await asyncio.gather(there, back, return_exceptions=True)
        finally:
            far_writer.transport.abort()

    async def _pump(self, reader, writer, sender):
        """Carry bytes one way; `sender` is whom to reset, on the way to the receiver."""
        carried = 0
        while data := await reader.read(65536):
            match self._weather:
                case Weather.HALF_OPEN:
                    await asyncio.Event().wait()
                case Weather.LATE:
                    await asyncio.sleep(2 + random.uniform(-1, 1))
                case Weather.DRIPPING:
                    await asyncio.sleep(2 + random.uniform(-1, 1))
                    for byte in data:
                        writer.write(bytes([byte]))
                        await asyncio.sleep(1)
                    continue
                case Weather.RESET if sender is not None:
                    carried += len(data)
                    if carried > RESET_AFTER_BYTES:
                        _reset(sender)
                        return
            writer.write(data)
            await writer.drain()


def _reset(writer):
    """Close with RST instead of FIN."""
    raw = writer.transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
