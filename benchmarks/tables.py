"""What `make bench` measures, by name."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import grpc_server, http_server, worker
from benchmarks.processes import LOAD_CORE, free_port, started
from benchmarks.side_by_side import Open
from benchmarks.sink import DATABASE, HTTP_CLIENT, PROCESS, RPC_CLIENT, RPC_SERVER
from benchmarks.variants import HTTP, PEERS, PEERS_WITH_LINE, SIGNALS, Variant


@dataclass(frozen=True, slots=True)
class Table:
    """One table of results.

    Attributes:
        variants: Its rows.
        bring_up: Starts what all variants need and yields how each comes up.
        about: One sentence on what is measured.
        steady: Whether there is a load at a fixed rate too.
    """

    variants: Sequence[Variant]
    bring_up: Callable[[], AbstractContextManager[Open]]
    about: str
    steady: bool = False


@contextmanager
def _workers(workload: str, command: Sequence[str], address: str) -> Iterator[Open]:
    """Start what the workers talk to; `{port}` in its command and address is a free one."""
    port = free_port()
    with started(LOAD_CORE, [part.format(port=port) for part in command], port):
        yield partial(worker.working, workload, address.format(port=port))


def _kinds(kind: str, duration: str, contrib: str) -> tuple[Variant, ...]:
    kit = Variant("kit", "kit", delivers={kind: 1, duration: 1})
    return Variant("bare"), kit, Variant(contrib, "contrib")


def _spans() -> AbstractContextManager[Open]:
    by = {"bare": "nothing", "kit, span()": "span", "kit, OpenTelemetry's API": "api", "SDK": "api"}
    return nullcontext(lambda variant, sink: worker.working("child_span", by[variant.name], variant, sink))


def _alone(workload: str, address: str = "") -> AbstractContextManager[Open]:
    return nullcontext(partial(worker.working, workload, address))


_PYTHON = (sys.executable, "-m")
_NATS = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or "nats-server"
_ROUTE = "One uvicorn worker (uvloop, httptools) on one core, a route of FastAPI, 16 connections from the other core."
_serving = partial(nullcontext, http_server.serving)

TABLES: Mapping[str, Table] = {
    "http": Table(HTTP, _serving, _ROUTE, steady=True),
    "grpc": Table(
        _kinds("SERVER", RPC_SERVER, "contrib + SDK"),
        partial(nullcontext, grpc_server.serving),
        "A grpc.aio server, unary calls, 16 at a time from the other core.",
    ),
    "grpc-client": Table(
        _kinds("CLIENT", RPC_CLIENT, "contrib + SDK"),
        partial(_workers, "grpc_call", (*_PYTHON, "benchmarks.grpc_app", "{port}"), "127.0.0.1:{port}"),
        "Unary calls of a grpc.aio channel, 8 at a time, within spans.",
    ),
    "httpx": Table(
        _kinds("CLIENT", HTTP_CLIENT, "contrib + SDK"),
        partial(_alone, "httpx_call", "http://127.0.0.1/items/42"),
        "Calls of httpx.AsyncClient, one after another, within spans, through a transport that answers at once.",
    ),
    "messaging": Table(
        _kinds("CONSUMER", PROCESS, "FastStream's middleware + SDK"),
        partial(
            _workers,
            "faststream_consume",
            (_NATS, "-a", "127.0.0.1", "-p", "{port}", "-l", os.devnull),
            "nats://127.0.0.1:{port}",
        ),
        "FastStream on NATS; CPU of consuming a message, and of sending it by nats-py, which is the same in all.",
    ),
    "spans": Table(
        (
            Variant("bare"),
            Variant("kit, span()", "kit", delivers={"INTERNAL": 1}),
            Variant("kit, OpenTelemetry's API", "kit", delivers={"INTERNAL": 1}),
            Variant("SDK", "sdk"),
        ),
        _spans,
        "A child span with four attributes, exported; 50 at once, some 10 000 a second.",
    ),
    "sqlalchemy": Table(
        _kinds("CLIENT", DATABASE, "contrib + SDK"),
        partial(_alone, "sqlalchemy_query"),
        "A query of SQLAlchemy on SQLite in memory, within spans.",
    ),
    "signals": Table(SIGNALS, _serving, _ROUTE),
    "peers": Table(PEERS, _serving, _ROUTE, steady=True),
    "peers-log-line": Table(PEERS_WITH_LINE, _serving, _ROUTE, steady=True),
}
