"""One SQLite file of the store: its name, schema and connections."""

import re
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

SCHEMA_VERSION = 4
"""Raise it with every change of schema/*.sql: older files are then refused, not misread."""

_NAME = re.compile(r"clew-(\d{8}T\d{2})-(\d{4,})\.sqlite")
_SCHEMA = ("resources.sql", "spans.sql", "logs.sql", "metrics.sql")
_PROGRESS = "CREATE TABLE IF NOT EXISTS progress (id INTEGER PRIMARY KEY CHECK (id = 1), sequence INTEGER NOT NULL)"
"""How far the journal is in the segments; written in the transaction that holds the data."""
MAX_LOG_BYTES = 4 << 20
"""Of the write-ahead log, unless the size cap is small."""
_PAGE_BYTES = 4096


class SegmentError(Exception):
    """A file in the data directory cannot be used; the message says which and what to do."""


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A file of one hour, or a part of it: `number` counts up when the hour outgrows one file."""

    hour: str
    number: int
    path: Path

    @property
    def size_bytes(self) -> int:
        """Bytes on disk with the write-ahead log; 0 once it is deleted."""
        return sum(file.stat().st_size for file in self.files() if file.exists())

    def files(self) -> list[Path]:
        """Return the database and the files SQLite keeps beside it."""
        return [self.path, Path(f"{self.path}-wal"), Path(f"{self.path}-shm")]


def segment(directory: Path, hour: str, number: int) -> Segment:
    """Name a segment; `hour` is UTC as YYYYMMDDTHH."""
    return Segment(hour, number, directory / f"clew-{hour}-{number:04d}.sqlite")


def segments(directory: Path) -> list[Segment]:
    """List the segments of a directory, oldest first."""
    found = ((_NAME.fullmatch(path.name), path) for path in directory.iterdir())
    return sorted(Segment(match[1], int(match[2]), path) for match, path in found if match)


def open_for_write(path: Path, max_log_bytes: int = MAX_LOG_BYTES) -> sqlite3.Connection:
    """Open the file for the one writer thread, creating it with its schema if it is new.

    The write-ahead log goes into the file once it has `max_log_bytes`.

    A commit reaches the operating system, so a killed process loses nothing committed. A power cut may lose the last
    commits, the price of synchronous=NORMAL.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA cache_size=-65536")  # KiB; holds the random-order trace index of a full segment
    connection.execute(f"PRAGMA journal_size_limit={max_log_bytes}")
    connection.execute(f"PRAGMA wal_autocheckpoint={max(max_log_bytes // _PAGE_BYTES, 8)}")
    if _is_empty(connection):
        _create(connection)
    connection.execute(_PROGRESS)
    return connection


def close_written(connection: sqlite3.Connection) -> None:
    """Close the writer's connection, and empty the write-ahead log also where readers keep the file open."""
    with suppress(sqlite3.Error):
        connection.rollback()
        connection.execute("PRAGMA busy_timeout=200")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def set_progress(connection: sqlite3.Connection, sequence: int) -> None:
    """Note that everything up to this sequence of the journal is in the segment."""
    connection.execute("INSERT OR REPLACE INTO progress VALUES (1, ?)", (sequence,))


def progress(path: Path) -> int:
    """Return up to which sequence of the journal a segment goes; 0 where none was noted."""
    try:
        with closing(open_for_read(path)) as connection:
            row = connection.execute("SELECT sequence FROM progress").fetchone()
    except sqlite3.OperationalError:
        return 0
    return row[0] if row else 0


def _is_empty(connection: sqlite3.Connection) -> bool:
    """Tell a file just made, or one whose maker was killed before its schema was committed."""
    return connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0


def _create(connection: sqlite3.Connection) -> None:
    schema = files("clew_console.store") / "schema"
    script = "".join((schema / name).read_text() for name in _SCHEMA)
    connection.executescript(f"BEGIN;{script}PRAGMA user_version={SCHEMA_VERSION};COMMIT;")


def open_for_read(path: Path) -> sqlite3.Connection:
    """Open the file read-only; the caller closes the connection.

    Raises:
        sqlite3.OperationalError: the file is gone.
    """
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )


def check(found: Segment) -> None:
    """Refuse a file that this version of the console cannot read.

    Raises:
        SegmentError: another schema version, or no SQLite database.
    """
    try:
        with closing(open_for_read(found.path)) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if _is_empty(connection):
                return
    except sqlite3.DatabaseError as error:
        raise SegmentError(f"{found.path} cannot be read ({error}); move it away or choose another --data") from error
    if version != SCHEMA_VERSION:
        raise SegmentError(
            f"{found.path} has schema version {version}, this console reads {SCHEMA_VERSION}; "
            f"move the file away, choose another --data or run the console that wrote it"
        )
