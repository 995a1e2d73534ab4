"""The journal: what was acknowledged comes back once, a torn end costs nothing else."""

import os

import pytest
from clew_console.store.journal import MAX_FILE_BYTES, Journal, journal_bytes


def _left(path, settled=0):
    return [(one.sequence, one.kind, one.data) for one in Journal(path, settled).unsettled()]


def test_what_is_not_settled_comes_back_in_order(tmp_path):
    """Without a close, the next journal gives what was appended beyond what is settled."""
    journal = Journal(tmp_path, 0)
    for number in range(5):
        assert journal.append(number % 3, b"%d" % number) == number + 1
    assert _left(tmp_path, 2) == [(3, 2, b"2"), (4, 0, b"3"), (5, 1, b"4")]


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_torn_end_costs_only_itself(tmp_path, cut):
    """A file that ends within a record gives all records before it, wherever it was cut."""
    journal = Journal(tmp_path, 0)
    journal.append(0, b"first")
    journal.append(1, b"0123456789abc")
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-cut])
    assert _left(tmp_path) == [(1, 0, b"first")]


def test_a_changed_byte_ends_the_file(tmp_path):
    """A record whose bytes changed is not given, whichever byte it was."""
    journal = Journal(tmp_path, 0)
    journal.append(0, b"first")
    [file] = tmp_path.iterdir()
    whole = file.read_bytes()
    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert _left(tmp_path) == []
        file.write_bytes(whole)


def test_settled_files_go(tmp_path):
    """What is in a segment leaves the disk, file by file, and all of it once nothing is open."""
    journal = Journal(tmp_path, 0)
    for _ in range(9):
        journal.append(0, bytes(MAX_FILE_BYTES // 3))
    assert len(list(tmp_path.iterdir())) == 3
    journal.settle(4)
    assert len(list(tmp_path.iterdir())) == 2
    journal.settle(9)
    assert journal_bytes(tmp_path) == 0
    assert journal.append(0, b"on it goes") == 10
    assert _left(tmp_path, 9) == [(10, 0, b"on it goes")]


def test_sequences_go_on_after_a_restart(tmp_path):
    """A new process continues behind what the last one appended, so that nothing new looks settled."""
    Journal(tmp_path, 7).append(0, b"left")
    journal = Journal(tmp_path, 7)
    assert [one.sequence for one in journal.unsettled()] == [8]
    assert journal.append(0, b"new") == 9
    assert [sequence for sequence, _, _ in _left(tmp_path, 7)] == [8, 9]


def test_a_full_disk_leaves_no_half_record(tmp_path, monkeypatch):
    """When only a part of a record can be written it is taken back, and the next one follows the last whole one."""
    journal = Journal(tmp_path, 0)
    journal.append(0, b"first")
    real = os.writev
    monkeypatch.setattr("os.writev", lambda fd, parts: real(fd, [parts[0]]))
    with pytest.raises(OSError, match="full"):
        journal.append(0, b"half")
    monkeypatch.setattr("os.writev", real)
    journal.append(0, b"second")
    assert [data for _, _, data in _left(tmp_path)] == [b"first", b"second"]
