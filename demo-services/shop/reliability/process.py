"""The life of a service's process: start its parts, run until told to stop, stop them in reverse."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health

from instrumentation import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
    from contextlib import AbstractAsyncContextManager

GRACE_SECONDS = 2.0
"""How long running calls may go on after the signal to stop."""

CANCEL_AGAIN_SECONDS = 2.0
"""How long a job may clean up before it is told again."""

RETRY_SECONDS = 1.0
"""How long a background job that failed rests."""

CONNECTION_SECONDS = 60.0
"""How long a connection takes new calls. Callers then look the name up anew, and so find replicas that were added."""

log = get_logger(__name__)


async def run_until_stopped(*parts: AbstractAsyncContextManager[object]) -> None:
    """Enter the parts in order, wait for SIGTERM or SIGINT, leave them in reverse order."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with AsyncExitStack() as stack:
        for part in parts:
            await stack.enter_async_context(part)
        log.info("service ready")
        await stopped.wait()
        log.info("service stopping")


@asynccontextmanager
async def background(*jobs: Callable[[], Coroutine[object, object, None]]) -> AsyncIterator[None]:
    """Run jobs beside the body and cancel them at its end; a job that fails is logged and begun anew."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_kept_up(job)) for job in jobs]
        try:
            yield
        finally:
            await _end(tasks)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks until they end: Python 3.11's `asyncio.wait_for` loses a cancellation that comes with its result."""
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN_SECONDS)


async def _kept_up(job: Callable[[], Coroutine[object, object, None]]) -> None:
    """Run a job to its end. A database that is away for a while must not take the service with it."""
    while True:
        try:
            return await job()
        except Exception as error:
            log.warning("background job failed, will begin anew", error=repr(error), retry_seconds=RETRY_SECONDS)
            await asyncio.sleep(RETRY_SECONDS)


@asynccontextmanager
async def grpc_server(
    address: str,
    service: str,
    register: Callable[[grpc.aio.Server], None],
    interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
    connection_seconds: float = CONNECTION_SECONDS,
) -> AsyncIterator[grpc.aio.Server]:
    """Serve gRPC with the standard health service, which answers for `service` and for the empty name.

    Calls that run when a connection has had its `connection_seconds` go on to their end.

    Raises:
        RuntimeError: the address is taken or not valid.
    """
    # Without this option a second process on the same port would silently take half of the calls.
    options = [("grpc.so_reuseport", 0), ("grpc.max_connection_age_ms", int(connection_seconds * 1000))]
    server = grpc.aio.server(options=options, interceptors=interceptors)
    register(server)
    status = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    for name in ("", service):
        await status.set(name, health_pb2.HealthCheckResponse.SERVING)
    server.add_insecure_port(address)
    await server.start()
    try:
        yield server
    finally:
        await status.enter_graceful_shutdown()
        await server.stop(GRACE_SECONDS)
