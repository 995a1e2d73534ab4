import json
import os

import pytest
from clew_console.store.runs import UNNAMED, Runs, new_run
from clew_console.store.segment import SegmentError, open_for_write, segment


def fill(runs, size_bytes=0):
    """Give the run being written a segment."""
    path = runs.directory.current().path
    open_for_write(path).close()
    if size_bytes:
        os.truncate(path, size_bytes)


def past(root, number, size_bytes):
    """Put a run there that was recorded earlier."""
    path = root / "runs" / f"2026010{number}T000000-0000"
    path.mkdir(parents=True)
    about = {"id": "../../elsewhere", "name": f"run {number}", "started_ns": number, "origin": ""}
    (path / "run.json").write_text(json.dumps(about))
    file = segment(path, f"2026010{number}T00", 1).path
    open_for_write(file).close()
    os.truncate(file, size_bytes)


def test_a_named_run_is_gone_on_with(tmp_path):
    """The same name at the next start is the same run; another name is a run of its own."""
    ids = []
    for name in ("before", "before", "after"):
        runs = Runs(tmp_path, name=name)
        fill(runs)
        ids.append(runs.current.id)
        runs.close()
    assert ids[0] == ids[1] != ids[2]
    runs = Runs(tmp_path)
    assert [run.name for run in runs.all()] == ["after", "before", ""]
    assert runs.find("before").id == ids[0]
    assert runs.find(ids[2]).name == "after"
    runs.close()


def test_what_has_no_name_is_listed_last_if_it_is_there(tmp_path):
    """Beside a named run, what was received without one is listed when there is any."""
    runs = Runs(tmp_path, name="a")
    assert [run.id for run in runs.all()] == [runs.current.id]
    runs.close()
    runs = Runs(tmp_path)
    fill(runs)
    runs.close()
    runs = Runs(tmp_path, name="a")
    assert [run.id for run in runs.all()][-1] == UNNAMED
    runs.close()


def test_an_empty_run_is_not_kept(tmp_path):
    """A run that nothing came for leaves nothing behind."""
    Runs(tmp_path, name="nothing").close()
    assert list((tmp_path / "runs").iterdir()) == []


def test_past_runs_take_half_of_the_cap(tmp_path):
    """The oldest past runs are deleted until they take half of the cap at most; the one being written has the rest."""
    for number in (1, 2, 3):
        past(tmp_path, number, 3 << 20)
    runs = Runs(tmp_path, 16 << 20, name="now")
    assert [run.name for run in runs.all()] == ["now", "run 3", "run 2"]
    assert runs.directory.max_size_bytes == 10 << 20
    runs.close()


def test_an_id_is_the_directory_whatever_the_file_says(tmp_path):
    """A run.json that was changed cannot name another directory, and one that is broken hides its run only."""
    past(tmp_path, 1, 1 << 20)
    past(tmp_path, 2, 1 << 20)
    (tmp_path / "runs" / "20260102T000000-0000" / "run.json").write_text("[")
    runs = Runs(tmp_path)
    assert [run.id for run in runs.all()] == ["20260101T000000-0000", UNNAMED]
    assert runs.find_id("../../elsewhere") is None
    runs.close()


def test_one_process_holds_all_runs(tmp_path):
    """Two consoles cannot have one data directory, whichever runs they write."""
    first = Runs(tmp_path, name="a")
    with pytest.raises(SegmentError, match="in use"):
        Runs(tmp_path, name="b")
    first.close()


def test_few_past_runs_are_open_at_a_time(tmp_path):
    """Looking through many runs keeps three of them open."""
    for number in range(1, 7):
        past(tmp_path, number, 1 << 20)
    runs = Runs(tmp_path)
    opened = [runs.directory_of(run) for run in runs.all() if run.id != UNNAMED]
    assert len(opened) == 6
    assert len(runs._open) == 3
    runs.close()


@pytest.mark.parametrize(
    ("text", "name"), [("  a \n b ", "a b"), ("", "run"), ("x" * 500, "x" * 120), ("\x00\x1b[1m", "[1m")]
)
def test_names_are_one_line_of_bounded_length(text, name):
    """Line ends, control characters and length of a name cannot upset a page or a terminal."""
    assert new_run(text).name == name
