import gzip
import json
import os

import pytest
from clew_console.exchange.format import Frame, RunEncoder
from clew_console.store.runs import Runs

GZIP = {"content-type": "application/gzip"}


def send_file(client, data, **headers):
    return client.http.post(f"{client.ui}/runs/import", content=data, headers=GZIP | headers)


def test_a_run_is_the_same_in_another_console(start, client_of, fill, told, tmp_path):
    """Exported from one console and imported into another, spans, lines, points and counts are what they were."""
    with start(tmp_path / "a", run="night build 7") as first, start(tmp_path / "b") as second:
        one, other = client_of(first), client_of(second)
        trace_id = fill(one)
        runs = one.get("/api/runs").json()["runs"]
        assert [(run["name"], run["isWritten"]) for run in runs] == [("night build 7", True)]
        answer = one.get(f"/run/{runs[0]['id']}/export")
        assert answer.headers["content-disposition"] == 'attachment; filename="night-build-7.clew"'
        imported = send_file(other, answer.content).json()
        assert imported["name"] == "night build 7"
        assert imported["records"] == 40 + 21 + 5
        base = imported["url"].rstrip("/")
        assert vars(told(other, trace_id, base)) == vars(told(one, trace_id))
        assert other.get(f"/api/traces/{trace_id}").status_code == 404  # it is kept apart from what is received


def test_a_run_is_imported_once(start, client_of, fill):
    """The same file again is refused with the name it has here; under the name that was asked for."""
    with start() as running:
        client = client_of(running)
        fill(client, 3)
        data = client.get("/run/unnamed/export").content
        assert send_file(client, data, **{"x-clew-run-name": "n%C3%A4chtlich"}).json()["name"] == "nächtlich"
        again = send_file(client, data)
        assert again.status_code == 409
        assert "nächtlich" in again.json()["error"]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data[: len(data) // 2], "ends too early"),
        (lambda _: gzip.compress(b"hello"), "not a run"),
        (lambda _: os.urandom(3 << 20), "not gzip"),
    ],
)
def test_a_broken_file_leaves_nothing(start, client_of, fill, tmp_path, spoil, reason):
    """A file that is damaged or foreign is answered with 400 and the reason, and nothing of it stays."""
    with start(tmp_path / "data") as running:
        client = client_of(running)
        fill(client, 3)
        answer = send_file(client, spoil(client.get("/run/unnamed/export").content))
        assert answer.status_code == 400
        assert reason in answer.json()["error"]
        assert len(client.get("/api/runs").json()["runs"]) == 1
        assert list((tmp_path / "data" / "runs").iterdir()) == []


def test_names_in_a_file_lead_nowhere(start, client_of, tmp_path):
    """A run called ../../x, or an endless name, is text: its directory has an id of the console's own."""
    encoder = RunEncoder()
    about = json.dumps({"name": "../../../" + "e\x00vil" * 1000, "started_ns": -5, "id": "../x"}).encode()
    data = encoder.begin() + encoder.add(Frame("about", 0, about)) + encoder.end()
    before = sorted(tmp_path.iterdir())
    with start(tmp_path / "deep" / "data") as running:
        run = send_file(client_of(running), data).json()
        assert len(run["name"]) == 120
        assert (tmp_path / "deep" / "data" / "runs" / run["id"] / "run.json").exists()
    assert [path.name for path in sorted(tmp_path.iterdir())] == [*(path.name for path in before), "deep"]


def test_a_run_that_is_too_large_is_refused(start, client_of, make):
    """An import that outgrows half of the size cap is given up, with what raises the cap."""
    with start(max_size_bytes=8 << 20) as running:
        client = client_of(running)
        encoder = RunEncoder()
        pieces = [encoder.begin(), encoder.add(Frame("about", 0, b'{"name": "big", "started_ns": 1}'))]
        for _ in range(100):
            spans = [make.span(attributes={"noise": os.urandom(1000).hex()}) for _ in range(80)]
            pieces.append(encoder.add(Frame("traces", 80, make.traces(*spans).SerializeToString())))
        answer = send_file(client, b"".join([*pieces, encoder.end()]))
        assert answer.status_code == 400
        assert "--max-size" in answer.json()["error"]


def test_other_content_types_are_refused(start, client_of):
    """What a form of another site can send without asking is not taken for a file."""
    with start() as running:
        client = client_of(running)
        assert client.http.post(f"{client.ui}/runs/import", content=b"x").status_code == 415


def test_an_interrupted_import_is_swept_away(tmp_path):
    """What a killed console left of an import is gone at the next start."""
    (tmp_path / "runs" / ".importing-1").mkdir(parents=True)
    (tmp_path / "runs" / ".importing-1" / "lock").touch()
    Runs(tmp_path).close()
    assert list((tmp_path / "runs").iterdir()) == []
