"""What `make bench` measures, by name."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import http_server
from benchmarks.side_by_side import Open
from benchmarks.variants import HTTP, PEERS, PEERS_WITH_LINE, SIGNALS, Variant


@dataclass(frozen=True, slots=True)
class Table:
    """One table of results.

    Attributes:
        variants: Its rows.
        bring_up: How each comes up.
        about: One sentence on what is measured.
        steady: Whether there is a load at a fixed rate too.
    """

    variants: Sequence[Variant]
    bring_up: Open
    about: str
    steady: bool = False


_ROUTE = "One uvicorn worker (uvloop, httptools) on one core, a route of FastAPI, 16 connections from the other core."

TABLES = {
    "http": Table(HTTP, http_server.serving, _ROUTE, steady=True),
    "signals": Table(SIGNALS, http_server.serving, _ROUTE),
    "peers": Table(PEERS, http_server.serving, _ROUTE, steady=True),
    "peers-log-line": Table(PEERS_WITH_LINE, http_server.serving, _ROUTE, steady=True),
}
