"""Servers of several workers: each exports as itself, each page shows all, and SIGTERM loses nothing."""

import time

import pytest

from tests.processes.conftest import FASTAPI, FLASK, WIRING, value

UVICORN = ("uvicorn", FASTAPI, ("--workers", "2"))
SERVERS = {
    "uvicorn --workers": UVICORN,
    "gunicorn": ("gunicorn", FLASK, ("--workers", "2")),
    "gunicorn --preload": ("gunicorn", FLASK, ("--workers", "2", "--preload")),
    "gunicorn UvicornWorker": ("gunicorn", FASTAPI, ("--workers", "2", "-k", "uvicorn.workers.UvicornWorker")),
    "gunicorn UvicornWorker --preload": (
        "gunicorn",
        FASTAPI,
        ("--workers", "2", "-k", "uvicorn.workers.UvicornWorker", "--preload"),
    ),
}


pytestmark = pytest.mark.slow


@pytest.mark.parametrize("wrapped", [False, True], ids=["wired", "clew run"])
@pytest.mark.parametrize("name", SERVERS)
def test_several_workers(name, wrapped, serve, otlp_sink, plain):
    """Two workers: their records arrive under an instance each, every page shows the sum, and SIGTERM loses nothing."""
    kind, code, arguments = SERVERS[name]
    if wrapped:
        code = code.replace(WIRING, "")
    server = serve(kind, code, *arguments, clew_run=wrapped)
    pids = server.wait_until_served(2)
    server.wait_for_orders(server.served)
    pages = [server.page()[0] for _ in range(8)]
    assert {value(page, "orders_total") for page in pages} == {server.served}
    for _ in range(20):
        server.work()
    _, said, seconds = server.stop()
    assert seconds < 8, said
    assert "Traceback" not in said
    spans = otlp_sink.resources("traces")
    assert len(spans) == server.served
    owners = {
        (plain(resource.attributes)["process.pid"], plain(resource.attributes)["service.instance.id"])
        for resource, _, _ in spans
    }
    assert {pid for pid, _ in owners} == pids
    assert len({instance for _, instance in owners}) == 2
    assert (
        len([record for record in otlp_sink.records("logs") if record.body.string_value == "worked"]) == server.served
    )


def test_reload(serve, otlp_sink, plain, tmp_path):
    """`uvicorn --reload`: the worker before a change and the one after it export what they served, and SIGTERM too."""
    server = serve("uvicorn", FASTAPI, "--reload")
    before = server.wait_until_served(1)
    program = tmp_path / "program.py"
    program.write_text(program.read_text() + "\n# changed\n")
    after, end = before, time.monotonic() + 60
    while after == before:
        assert time.monotonic() < end, "not reloaded"
        after = {server.work()} - {None} or before
    server.stop()
    spans = otlp_sink.resources("traces")
    assert len(spans) == server.served
    assert {plain(resource.attributes)["process.pid"] for resource, _, _ in spans} == before | after
