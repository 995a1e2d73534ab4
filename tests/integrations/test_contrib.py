"""OpenTelemetry's own instrumentations beside the kit, each against the real server of its library."""

import os
import shutil
import subprocess
import sys

import pytest

from stack.binary import MissingBinaryError
from stack.postgres import Postgres

SERVICE_HEAD = """
import asyncio, os, sys
from instrumentation import instrument, span
telemetry = instrument(service_name="mixed")
"""
PAGE = """
telemetry.flush()
print(telemetry.page("application/openmetrics-text")[0].decode())
"""


def _redis():
    """Return the path of Redis' server; root on Debian installs it, others are told how."""
    found = shutil.which("redis-server")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(
            ["apt-get", "install", "-y", "-q", "redis-server"], check=False, capture_output=True, timeout=100
        )
        found = shutil.which("redis-server")
    if found is None:
        pytest.skip("redis-server is not installed and only root on Debian can: apt-get install redis-server")
    return found


@pytest.fixture(scope="module")
def redis_port(free_port, tmp_path_factory):
    """A Redis server of its own."""
    port, data = free_port(), tmp_path_factory.mktemp("redis")
    command = [_redis(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert any("Ready to accept connections" in line for line in process.stdout)
            yield port
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def postgres_port():
    """A PostgreSQL server of its own."""
    try:
        server = Postgres()
    except MissingBinaryError as error:
        pytest.skip(str(error))
    with server:
        yield server.port


def _by_scope(sink, word):
    return [(scope.name, span) for _, scope, span in sink.resources("traces") if word in scope.name]


@pytest.mark.slow
def test_redis(run, otlp_sink, redis_port, plain):
    """A Redis command is a child of the span around it, and the library was patched when it was imported."""
    code = f"""
    {SERVICE_HEAD}
    assert "redis" not in sys.modules
    import redis
    with span("work"):
        client = redis.Redis(port={redis_port})
        client.set("k", "v")
        assert client.get("k") == b"v"
    """
    status, _, err = run(_dedented(code))
    assert (status, err) == (0, "")
    (work,) = [span for span in otlp_sink.records("traces") if span.name == "work"]
    commands = _by_scope(otlp_sink, "redis")
    assert [span.name for _, span in commands] == ["SET", "GET"]
    for _, span in commands:
        assert (span.trace_id, span.parent_span_id, span.kind) == (work.trace_id, work.span_id, 3)
        assert plain(span.attributes)["db.system"] == "redis"


def test_aiohttp_client(run, otlp_sink):
    """An aiohttp call carries the trace to the kit's own server span, and its duration is on both exits."""
    code = f"""
    {SERVICE_HEAD}
    import aiohttp, uvicorn
    from fastapi import FastAPI
    app = FastAPI()
    instrument(app)

    @app.get("/pong")
    async def pong():
        return 1

    async def main():
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with span("work"):
            async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{{port}}/pong") as answer:
                assert answer.status == 200
        server.should_exit = True
        await serving

    asyncio.run(main())
    {PAGE}
    """
    status, out, err = run(_dedented(code))
    assert (status, err) == (0, "")
    spans = {span.name: span for span in otlp_sink.records("traces")}
    assert set(spans) == {"work", "GET", "GET /pong"}
    assert spans["GET"].parent_span_id == spans["work"].span_id
    assert spans["GET /pong"].parent_span_id == spans["GET"].span_id
    assert len({span.trace_id for span in spans.values()}) == 1
    families = {metric.name: metric for metric in otlp_sink.records("metrics")}
    assert families["http.client.duration"].histogram.data_points[0].count == 1
    assert [line for line in out.splitlines() if line.startswith("http_client_duration_milliseconds_count")]


@pytest.mark.slow
def test_asyncpg(run, otlp_sink, postgres_port, plain):
    """A query of asyncpg is a child of the span around it."""
    code = f"""
    {SERVICE_HEAD}
    import asyncpg

    async def main():
        connection = await asyncpg.connect(host="127.0.0.1", port={postgres_port}, user="shop", database="postgres")
        with span("work"):
            assert await connection.fetchval("SELECT 40 + 2") == 42
        await connection.close()

    asyncio.run(main())
    """
    status, _, err = run(_dedented(code))
    assert (status, err) == (0, "")
    (work,) = [span for span in otlp_sink.records("traces") if span.name == "work"]
    ((_, query),) = [found for found in _by_scope(otlp_sink, "asyncpg") if "SELECT" in found[1].name]
    assert (query.trace_id, query.parent_span_id) == (work.trace_id, work.span_id)
    assert plain(query.attributes)["db.statement"] == "SELECT ? + ?"


def test_a_driver_below_sqlalchemy(run, otlp_sink, postgres_port):
    """A statement of an engine has one span, the kit's, though its driver is instrumented too; else the driver has."""
    code = f"""
    {SERVICE_HEAD}
    import asyncpg
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.ext.asyncio import create_async_engine

    async def main():
        engine = create_async_engine("postgresql+asyncpg://shop@127.0.0.1:{postgres_port}/postgres")
        with span("work"):
            async with engine.begin() as connection:
                await connection.execute(text("CREATE TEMPORARY TABLE items (id INTEGER)"))
                await connection.execute(text("INSERT INTO items VALUES (:id)"), [{{"id": 1}}, {{"id": 2}}])
                assert len((await connection.execute(text("SELECT id FROM items"))).all()) == 2
                result = await connection.stream(text("SELECT id FROM items"))
                assert len([row async for row in result]) == 2
            try:
                async with engine.begin() as connection:
                    await connection.execute(text("SELECT 1/0"))
            except DBAPIError:
                pass
        await engine.dispose()
        with span("alone"):
            connection = await asyncpg.connect(host="127.0.0.1", port={postgres_port}, user="shop", database="postgres")
            assert await connection.fetchval("SELECT 40 + 2") == 42
            await connection.close()

    asyncio.run(main())
    """
    status, _, err = run(_dedented(code))
    assert (status, err) == (0, "")
    spans = otlp_sink.resources("traces")
    parents = {span.span_id: span.name for _, _, span in spans}
    found = [(scope.name.rpartition(".")[2], span.name, parents.get(span.parent_span_id)) for _, scope, span in spans]
    statements = ["CREATE TABLE items", "BATCH INSERT items", "SELECT items", "SELECT items", "SELECT"]
    assert [name for scope, name, parent in found if (scope, parent) == ("sqlalchemy", "work")] == statements
    below = {name for scope, name, parent in found if (scope, parent) == ("asyncpg", "work")}
    assert below == {
        "select",
        "show",
        "BEGIN;",
        "COMMIT;",
        "ROLLBACK;",
        "CURSOR: SELECT",
    }  # what the engine does itself
    assert [name for scope, name, parent in found if (scope, parent) == ("asyncpg", "alone")] == ["SELECT"]


@pytest.mark.slow
def test_celery(run, otlp_sink, redis_port):
    """A task runs in a worker of its own, in the trace of whoever sent it; its runtime is on both exits."""
    code = f"""
    {SERVICE_HEAD}
    import logging
    from celery import Celery
    app = Celery("program", broker="redis://127.0.0.1:{redis_port}/1", backend="redis://127.0.0.1:{redis_port}/2")
    app.conf.broker_connection_retry_on_startup = True

    @app.task
    def add(a, b):
        logging.getLogger("task").warning("adding")
        return a + b

    if __name__ == "__main__":
        with span("work"):
            result = add.delay(40, 2)
        assert result.get(timeout=60) == 42
        app.control.shutdown()
    """
    code = _dedented(code)
    command = [sys.executable, "-m", "celery", "-A", "program", "worker", "--pool", "solo", "--loglevel", "WARNING"]
    worker = run(code, wait=False, command=command, OTEL_METRIC_EXPORT_INTERVAL="200")
    status, _, err = run(code)
    assert (status, err) == (0, "")
    _, worker_err = worker.communicate(timeout=30)
    spans = {(span.name, span.kind): span for _, span in _by_scope(otlp_sink, "celery")}
    (work,) = [span for span in otlp_sink.records("traces") if span.name == "work"]
    sent, done = spans["apply_async/program.add", 4], spans["run/program.add", 5]
    assert (sent.parent_span_id, done.parent_span_id) == (work.span_id, sent.span_id), worker_err
    assert {span.trace_id for span in (work, sent, done)} == {work.trace_id}
    (record,) = [record for record in otlp_sink.records("logs") if record.body.string_value == "adding"]
    assert (record.trace_id, record.span_id) == (done.trace_id, done.span_id)
    assert any("flower.task.runtime" in metric.name for metric in otlp_sink.records("metrics"))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "aiohttp-client,redis"),
        ("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "*"),
        ("CLEW_CONTRIB_INSTRUMENTATIONS", "false"),
    ],
)
def test_switched_off(run, otlp_sink, redis_port, variable, value):
    """One, several or all are left alone when the environment says so."""
    code = f"""
    {SERVICE_HEAD}
    import redis
    with span("work"):
        redis.Redis(port={redis_port}).ping()
    """
    status, _, err = run(_dedented(code), **{variable: value})
    assert (status, err) == (0, "")
    assert [span.name for span in otlp_sink.records("traces")] == ["work"]


def test_one_of_ours_is_switched_off(run, otlp_sink):
    """The same variable switches an integration of the kit off."""
    code = f"""
    {SERVICE_HEAD}
    import httpx
    before = httpx.Client.send
    telemetry.uninstrument()
    assert httpx.Client.send is before
    """
    status, _, err = run(_dedented(code), OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="httpx")
    assert (status, err) == (0, "")


def test_uninstrument_gives_the_library_back(run, otlp_sink, redis_port):
    """After uninstrument a contrib instrumentation is off as well."""
    code = f"""
    {SERVICE_HEAD}
    import redis
    client = redis.Redis(port={redis_port})
    telemetry.uninstrument()
    client.ping()
    from opentelemetry.instrumentation.redis import RedisInstrumentor
    assert not RedisInstrumentor().is_instrumented_by_opentelemetry
    """
    status, _, err = run(_dedented(code))
    assert (status, err) == (0, "")
    assert otlp_sink.records("traces") == []


def test_one_that_fails_is_named_and_the_rest_goes_on(run, otlp_sink, tmp_path, redis_port):
    """A broken instrumentation, and one of another version of its library, cost a line on stderr and nothing else."""
    _distribution(tmp_path, "broken", "redis >= 1", "broken_instrumentor:Nothing")
    _distribution(tmp_path, "older", "redis < 2", "broken_instrumentor:Nothing")
    _distribution(tmp_path, "absent", "no-such-library >= 1", "broken_instrumentor:Nothing")
    code = f"""
    {SERVICE_HEAD}
    import redis
    with span("work"):
        redis.Redis(port={redis_port}).ping()
    """
    status, _, err = run(_dedented(code))
    assert status == 0
    broken, older = sorted(err.splitlines())
    assert "instrumentation of broken is off: ModuleNotFoundError" in broken
    assert "instrumentation of older is off" in older
    assert "redis<2" in older
    assert sorted(span.name for span in otlp_sink.records("traces")) == ["PING", "work"]


def _distribution(folder, name, instruments, target):
    """Write an installed distribution that announces an instrumentation."""
    info = folder / f"instrumentation_of_{name}-1.0.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.1\nName: instrumentation-of-{name}\nVersion: 1.0\n"
    (info / "METADATA").write_text(
        f'{head}Provides-Extra: instruments\nRequires-Dist: {instruments} ; extra == "instruments"\n'
    )
    (info / "entry_points.txt").write_text(f"[opentelemetry_instrumentor]\n{name} = {target}\n")


def _dedented(code):
    """Undo the indentation of the test around code that has parts without any."""
    return "\n".join(line.removeprefix("    ") for line in code.splitlines())
