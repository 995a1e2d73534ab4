"""Servers of several workers: each exports as itself, each page shows all, and SIGTERM loses nothing."""

import pytest

from tests.processes.conftest import FASTAPI, FLASK, value

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


QUICK = ("uvicorn --workers", "gunicorn --preload")
"""Each of the others takes seconds; they differ in who forks, who imports and who takes SIGTERM."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in SERVERS])
def test_several_workers(name, serve, otlp_sink, plain):
    """Two workers: their records arrive under an instance each, every page shows the sum, and SIGTERM loses nothing."""
    kind, code, arguments = SERVERS[name]
    server = serve(kind, code, *arguments)
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
