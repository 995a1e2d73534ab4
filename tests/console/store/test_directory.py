"""The data directory: owned by one, of one version, never over its size."""

import sqlite3

import pytest
from clew_console.store.directory import Directory
from clew_console.store.segment import SegmentError


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
