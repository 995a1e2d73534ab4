"""Read-only connections to the segments, with the functions queries call and a time limit."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

from clew_console.query.compare import compiled, matches
from clew_console.store.directory import Directory
from clew_console.store.resource import ResourceRow, resource_row
from clew_console.store.segment import open_for_read

MAX_QUERY_SECONDS = 10.0
_CHECK_EVERY_INSTRUCTIONS = 20_000


def connections(directory: Directory) -> Iterator[sqlite3.Connection]:
    """Yield a connection to each segment, newest first; each is open until the next is asked for.

    A segment that is deleted meanwhile, or whose schema is not committed yet, has nothing to say and is left out.
    Past 10 s for all together a query ends in `sqlite3.OperationalError: interrupted`.
    """
    deadline = time.monotonic() + MAX_QUERY_SECONDS
    for segment in directory.segments():
        try:
            connection = open_for_read(segment.path)
        except sqlite3.OperationalError:
            if segment.path.exists():
                raise
            continue
        with closing(connection):
            if _prepare(connection, deadline):
                yield connection


def _prepare(connection: sqlite3.Connection, deadline: float) -> bool:
    """Set the connection up; return whether the segment has its tables."""
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _CHECK_EVERY_INSTRUCTIONS)
    connection.create_function("value_matches", 3, matches, deterministic=True)
    connection.create_function("label_matches", 3, _label_matches, deterministic=True)
    connection.create_function("line_matches", 2, _line_matches, deterministic=True)
    return connection.execute("PRAGMA user_version").fetchone()[0] > 0


def resources(connection: sqlite3.Connection) -> dict[int, ResourceRow]:
    """Return all resources of the segment by id."""
    rows = connection.execute("SELECT id, service, schema_url, encoded FROM resource")
    return {row[0]: resource_row(row) for row in rows}


def _label_matches(value: str, operator: str, pattern: str) -> bool:
    return (compiled(pattern).fullmatch(value) is not None) == (operator == "=~")


def _line_matches(line: str, pattern: str) -> bool:
    return compiled(pattern).search(line) is not None
