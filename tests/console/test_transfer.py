"""The commands that move runs to and from files, with a console that runs and without."""

import pytest
from clew_console.cli import main


@pytest.fixture
def recorded(start, client_of, make, tmp_path):
    """A data directory with a run called "first", and the file exported from it."""
    with start(tmp_path / "data", run="first") as running:
        client_of(running).send_traces(make.traces(make.span(name="only")))
    return tmp_path / "data"


def test_a_run_travels_by_file(recorded, tmp_path, capsys):
    """Export without a console, import into fresh data: the name stays, and both say what they did."""
    file = tmp_path / "first.clew"
    assert main(["export", "--data", str(recorded), "-o", str(file)]) == 0
    assert main(["import", str(file), "--data", str(tmp_path / "fresh")]) == 0
    said = capsys.readouterr()
    assert f"{file}: 1 records" in said.out
    assert "run 'first', 1 records" in said.out
    assert said.err == ""


def test_a_running_console_is_asked_instead(recorded, start, client_of, tmp_path, capsys):
    """While a console holds the data directory both commands go through it, and the run is there at once."""
    file = tmp_path / "file.clew"
    assert main(["export", "first", "--data", str(recorded), "-o", str(file)]) == 0
    with start(tmp_path / "other") as running:
        assert main(["import", str(file), "--name", "from CI", "--data", str(tmp_path / "other")]) == 0
        assert running.addresses.ui in capsys.readouterr().out
        names = [run["name"] for run in client_of(running).get("/api/runs").json()["runs"]]
        assert names == ["from CI", ""]
        assert main(["export", "from CI", "--url", running.addresses.ui, "-o", str(tmp_path / "again.clew")]) == 0
        assert main(["import", str(file), "--url", running.addresses.ui]) == 1
        assert "it was imported before, as 'from CI'" in capsys.readouterr().err


def test_wrong_arguments_are_answered_with_what_is_right(recorded, tmp_path, capsys):
    """An unknown run, a file that is there, one that is not, no data, no console: one line each, exit code 1."""
    taken = tmp_path / "taken.clew"
    taken.write_bytes(b"mine")
    for arguments, said in (
        (["export", "second", "--data", str(recorded)], "there are 'first'"),
        (["export", "--data", str(recorded), "-o", str(taken)], "is there already"),
        (["export", "--data", str(tmp_path / "nowhere")], "there is no data directory"),
        (["export", "--url", "http://127.0.0.1:9"], "cannot ask http://127.0.0.1:9"),
        (["export", "--url", "127.0.0.1:9"], "is no address of a console"),
        (["import", str(taken), "--data", str(tmp_path / "fresh")], "taken.clew was not imported: it is not gzip"),
        (["import", str(tmp_path / "absent.clew"), "--data", str(tmp_path / "fresh")], "absent.clew"),
    ):
        assert main(arguments) == 1
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert taken.read_bytes() == b"mine"
    assert [path.name for path in tmp_path.glob("*.part")] == []


@pytest.mark.parametrize("command", ["export", "import"])
def test_help_says_all(command, capsys):
    """--help of both commands names every option."""
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert all(option in said for option in ("--data", "--url", "--token"))
