"""One uvicorn worker (uvloop, httptools) that serves one route of FastAPI, on the core of what is measured."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import http_load
from benchmarks.processes import SERVER_CORE, free_port, started
from benchmarks.slices import Slice
from benchmarks.variants import DATADOG, OTLP, Variant


class HttpServer:
    """A server that is up.

    Attributes:
        name: Of the variant.
        base: Of the variant that it is compared with.
        pid: Of its process.
        port: Where it serves.
        rate: Requests per second of its load; None: as many as it answers.
    """

    def __init__(self, variant: Variant, pid: int, port: int) -> None:
        self.name = variant.name
        self.base = variant.base
        self.pid = pid
        self.port = port
        self.rate: float | None = None

    def run(self, lead_in: float, seconds: float) -> Slice:
        """Load it for one slice."""
        return http_load.drive(self.port, self.pid, lead_in, seconds, self.rate)


@contextmanager
def serving(variant: Variant, sink: str) -> Iterator[HttpServer]:
    """Run a server until the block ends, which lets it deliver what it has."""
    port, programs = free_port(), Path(sys.executable).parent
    command = [str(programs / part) for part in variant.prefix]
    command += [sys.executable, "-m", "uvicorn", "benchmarks.http_app:app", "--port", str(port), "--loop", "uvloop"]
    command += ["--http", "httptools", "--no-access-log", "--log-level", "warning"]
    environment = {**OTLP, "SETUP": variant.setup, "OTEL_EXPORTER_OTLP_ENDPOINT": sink, **variant.environment}
    if DATADOG.keys() <= variant.environment.keys():
        environment["DD_TRACE_AGENT_URL"] = sink
    with started(SERVER_CORE, command, port, **environment) as pid:
        yield HttpServer(variant, pid, port)
