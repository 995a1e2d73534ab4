"""The console as a whole: sockets, store, receivers, site; start, serve, stop."""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn
from starlette.types import ASGIApp

from clew_console.access.guard import guard
from clew_console.options import Options
from clew_console.port import PortError, listen, reserve
from clew_console.receive.http import otlp_app
from clew_console.receive.rpc import is_grpc_installed, start_grpc
from clew_console.receive.signal import replayed
from clew_console.store.runs import Runs
from clew_console.store.writer import Writer
from clew_console.web.site import site

if TYPE_CHECKING:
    import grpc.aio

logger = logging.getLogger(__name__)

GRACE_SECONDS = 0.5
"""Given to running requests, and again to running gRPC calls, at the end."""
FLUSH_SECONDS = 5.0
"""Bound of the last flush; it takes milliseconds unless the disk is stuck."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the console is reached; `otlp_grpc` is None without grpcio, `login` opens it to one browser, if it asks."""

    ui: str
    otlp_http: str
    otlp_grpc: str | None
    login: str = ""


class _Server(uvicorn.Server):
    """Uvicorn without signal handlers of its own: two of them run here, and the console stops both."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say when that is done."""
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the process's signals alone."""
        yield


class Console:
    """Take the ports and the data directory when made; serve in `run`.

    Raises:
        AccessError: it would listen to strangers without a token, or the token is short.
        PortError: a port is busy.
        SegmentError: the data directory is in use or of another version.
    """

    def __init__(self, options: Options) -> None:
        self._guard = guard(options)
        self._host = options.host
        self._sockets: list[socket.socket] = []
        try:
            self._sockets.append(listen(options.host, options.port, "--port"))
            self._sockets.append(listen(options.host, options.otlp_http_port, "--otlp-http-port"))
            self._grpc_port = self._reserve_grpc(options)
            self.runs = Runs(options.data, options.max_size_bytes, options.run)
        except BaseException:
            self._close_sockets()
            raise
        self._directory = self.runs.directory
        self._writer = Writer(self._directory, replayed, options.max_queue_bytes)
        ui, otlp = (self._url(one.getsockname()[1]) for one in self._sockets)
        grpc = self._url(self._grpc_port) if self._grpc_port is not None else None
        self.addresses = Addresses(ui, otlp, grpc, self._guard.login(ui))

    @staticmethod
    def _reserve_grpc(options: Options) -> int | None:
        if is_grpc_installed():
            return reserve(options.host, options.otlp_grpc_port, "--otlp-grpc-port")
        logger.info("OTLP/gRPC is off: grpcio is not installed")
        return None

    def _url(self, port: int) -> str:
        return f"http://[{self._host}]:{port}" if ":" in self._host else f"http://{self._host}:{port}"

    def _close_sockets(self) -> None:
        for one in self._sockets:
            one.close()

    @property
    def written_rows(self) -> int:
        """Spans, log records and points stored so far."""
        return self._writer.written_rows

    async def run(self, stop: asyncio.Event, ready: Callable[[Addresses], None]) -> None:
        """Serve until `stop` is set, then answer what is running, write what is queued and return."""
        self._writer.start()
        try:
            await self._serve(stop, ready)
        finally:
            self._close_sockets()
            is_flushed = await asyncio.to_thread(self._writer.stop, FLUSH_SECONDS)
            self.runs.close()
            if not is_flushed:
                logger.error("the last telemetry could not be written within %.0f s", FLUSH_SECONDS)

    async def _serve(self, stop: asyncio.Event, ready: Callable[[Addresses], None]) -> None:
        apps = (
            site(self.runs, self._writer, self.addresses.otlp_http, self._guard),
            self._guard.around(otlp_app(self._writer)),
        )
        servers = [_server(app) for app in apps]
        async with asyncio.TaskGroup() as tasks:
            for server, one in zip(servers, self._sockets, strict=True):
                tasks.create_task(server.serve(sockets=[one]))
            grpc = await self._start_grpc()
            for server in servers:
                await server.listening.wait()
            self.runs.announce(self.addresses.ui)
            ready(self.addresses)
            await stop.wait()
            for server in servers:
                server.should_exit = True
            if grpc is not None:
                await grpc.stop(GRACE_SECONDS)

    async def _start_grpc(self) -> "grpc.aio.Server | None":
        if self._grpc_port is None:
            return None
        try:
            server, _ = await start_grpc(self._writer, self._host, self._grpc_port, self._guard.is_metadata_allowed)
        except RuntimeError as error:
            raise PortError(f"cannot listen on port {self._grpc_port} for OTLP/gRPC: {error}") from error
        return server


def _server(app: ASGIApp) -> _Server:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
        timeout_keep_alive=30,
    )
    return _Server(config)
