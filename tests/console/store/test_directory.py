"""The data directory: owned by one, of one version, never over its size."""

import os
import sqlite3

import pytest
from clew_console.store.directory import Directory
from clew_console.store.segment import SegmentError, segments


def test_the_oldest_data_goes_when_the_size_cap_is_reached(start, client_of, make, tmp_path):
    """Under a cap of 8 MiB, 24 MiB of spans leave the newest readable and the directory within the cap."""
    with start(max_size_bytes=8 << 20) as running:
        client = client_of(running)
        first, last = make.span(name="first"), make.span(name="last")
        client.send_traces(make.traces(first))
        for _ in range(24):
            noise = [make.span(attributes={"noise": os.urandom(1 << 14).hex()}) for _ in range(32)]
            client.send_traces(make.traces(*noise))
            client.wait("/healthz", lambda answer: answer.status_code == 200)
        client.wait(f"/api/traces/{first.trace_id.hex()}", lambda answer: _nudge(client, make, answer), 20)
        client.send_traces(make.traces(last))
        size_bytes = sum(one.size_bytes for one in segments(tmp_path / "data"))
        client.http.close()
    assert size_bytes < (8 << 20) * 1.25  # the one segment being written, with its log, comes on top at so small a cap


def _nudge(client, make, answer) -> bool:
    """Pruning runs while something is written."""
    client.post("/v1/traces", make.traces(make.span()))
    return answer.status_code == 404


def test_a_directory_has_one_owner(tmp_path):
    """A second console on the same directory is refused with a reason, and may have it after the first."""
    first = Directory(tmp_path)
    with pytest.raises(SegmentError, match="in use by another console"):
        Directory(tmp_path)
    first.close()
    Directory(tmp_path).close()


def test_another_schema_version_is_refused(tmp_path):
    """Data of another version is named and left alone."""
    path = tmp_path / "clew-20260101T00-0001.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript("CREATE TABLE t (x); PRAGMA user_version=99")
    connection.close()
    with pytest.raises(SegmentError, match="schema version 99, this console reads 4"):
        Directory(tmp_path)
    assert path.exists()


def test_a_file_that_is_no_database_is_refused(tmp_path):
    """A damaged file is named at the start, not in the middle of a query."""
    (tmp_path / "clew-20260101T00-0001.sqlite").write_bytes(b"not a database at all, but long enough" * 100)
    with pytest.raises(SegmentError, match="cannot be read"):
        Directory(tmp_path)
