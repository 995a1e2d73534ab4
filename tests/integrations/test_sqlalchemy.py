"""Queries of SQLAlchemy engines, sync and async: one CLIENT span and one duration each, and the pool's metrics."""

import asyncio
import contextlib
import secrets

import pytest
from opentelemetry.instrumentation._semconv import _OpenTelemetrySemanticConventionStability
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, use_span
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, event, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool, QueuePool, StaticPool

from instrumentation.integrations import sqlalchemy as integration

CLIENT, ERROR = 3, 2
DURATION = "db.client.operation.duration"
metadata = MetaData()
orders = Table("orders", metadata, Column("id", Integer, primary_key=True), Column("name", String(40)))


@pytest.fixture
def installed(kit):
    undo = integration.install(kit.signals)
    yield
    undo()


@pytest.fixture
def parent(kit):
    """A recorded span, current while the block runs."""

    @contextlib.contextmanager
    def current():
        span = kit.signals.tracers.get_tracer("t").start("parent", SpanKind.INTERNAL, None)
        span.request_id = "r-1"
        with use_span(span, end_on_exit=True):
            yield span

    return current


@pytest.fixture(params=["sync", "async"])
async def execute(request, installed, tmp_path):
    """Run statements on a SQLite file, each in a transaction of its own, with either kind of engine.

    Its `namespace` is the file.
    """
    namespace = str(tmp_path / "shop.db")
    if request.param == "sync":
        engine = create_engine(f"sqlite:///{namespace}")

        async def run(statement, parameters=None):
            with engine.begin() as connection:
                result = connection.execute(statement, parameters)
                return result.fetchall() if result.returns_rows else None

        metadata.create_all(engine)
        run.engine = engine
    else:
        engine = create_async_engine(f"sqlite+aiosqlite:///{namespace}")

        async def run(statement, parameters=None):
            async with engine.begin() as connection:
                result = await connection.execute(statement, parameters)
                return result.fetchall() if result.returns_rows else None

        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        run.engine = engine.sync_engine
    run.namespace = namespace
    yield run
    disposed = engine.dispose()
    if disposed is not None:
        await disposed


def queries(kit):
    return [span for span in kit.decoded_spans() if span.kind == CLIENT]


async def test_a_query_is_one_span_with_the_conventions_attributes(kit, execute, parent, plain, series):
    """Both kinds of engine make one CLIENT span, a child of the current one, and one duration with the same labels."""
    with parent() as current:
        await execute(select(orders.c.name).where(orders.c.id == 7))
    (span,) = queries(kit)
    labels = {
        "db.system.name": "sqlite",
        "db.namespace": execute.namespace,
        "db.operation.name": "SELECT",
        "db.query.summary": "SELECT orders",
        "db.collection.name": "orders",
    }
    assert (span.trace_id, span.parent_span_id) == (current.trace_id, current.span_id)
    assert (span.name, span.status.code, len(span.events)) == ("SELECT orders", 0, 0)
    text = "SELECT orders.name \nFROM orders \nWHERE orders.id = ?"
    assert plain(span.attributes) == {**labels, "db.query.text": text}
    assert (labels, 1) in series(kit, DURATION)


async def test_no_literal_reaches_telemetry(kit, execute, parent):
    """Literals in the statement, values in parameters and values in the driver's message are in no span."""
    secret = f"s{secrets.token_hex(6)}"
    with parent():
        await execute(text(f"INSERT INTO orders (id, name) VALUES (1, '{secret}')"))
        await execute(text("SELECT * FROM orders WHERE name = :name"), {"name": secret})
        with pytest.raises(OperationalError):
            await execute(text(f"SELECT '{secret}' FROM missing -- {secret}"))
    assert len(queries(kit)) == 3
    assert secret.encode() not in b"".join(record for _, record in kit.spans)


async def test_a_failure_is_in_span_and_metric(kit, execute, parent, plain, series):
    """A refused statement has the error status, the driver's exception as error.type, and the database's own code."""
    with parent():
        await execute(insert(orders), {"id": 1, "name": "a"})
        with pytest.raises(IntegrityError):
            await execute(insert(orders), {"id": 1, "name": "a"})
    good, bad = queries(kit)
    assert (good.status.code, bad.status.code) == (0, ERROR)
    attributes = plain(bad.attributes)
    assert attributes["error.type"] == bad.status.message == "sqlite3.IntegrityError"
    assert attributes["db.response.status_code"] == "SQLITE_CONSTRAINT_PRIMARYKEY"
    (failed,) = [count for labels, count in series(kit, DURATION) if "error.type" in labels]
    assert failed == 1


async def test_executemany_is_one_span_with_its_size(kit, execute, parent, plain):
    """A batch is one span that tells its size; a batch of one is none."""
    with parent():
        await execute(insert(orders), [{"id": n, "name": "x"} for n in range(5)])
        await execute(insert(orders), [{"id": 9, "name": "x"}])
    batch, single = queries(kit)
    assert (batch.name, single.name) == ("BATCH INSERT orders", "INSERT orders")
    assert plain(batch.attributes)["db.operation.batch.size"] == 5
    assert plain(batch.attributes)["db.operation.name"] == "BATCH INSERT"
    assert "db.operation.batch.size" not in plain(single.attributes)


async def test_a_polling_loop_makes_no_traces(kit, execute, parent, series):
    """Without a recorded parent a query is measured, and makes no span."""
    before = len(kit.spans)
    await execute(select(orders))
    assert len(kit.spans) == before
    (selects,) = [count for labels, count in series(kit, DURATION) if labels["db.operation.name"] == "SELECT"]
    assert selects == 1


async def test_an_unsampled_parent_has_no_children(make_kit, tmp_path, series):
    """Below a span that is not sampled a query is measured, and makes no span."""
    kit = make_kit("always_off")
    undo = integration.install(kit.signals)
    try:
        engine = create_engine("sqlite://")
        span = kit.signals.tracers.get_tracer("t").start("parent", SpanKind.INTERNAL, None)
        with use_span(span), engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        engine.dispose()
    finally:
        undo()
    assert kit.spans == []
    assert [count for _, count in series(kit, DURATION)] == [1]


async def test_cancelled_query_ends_its_span(kit, installed, parent, plain, tmp_path):
    """A query whose task is cancelled ends with the cancellation as its error."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/c.db")
    slow = text(
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 300000000) SELECT count(*) FROM n"
    )

    started = asyncio.Event()
    interrupts = []

    async def query():
        async with engine.connect() as connection:
            driver = await connection.get_raw_connection()
            interrupts.append(driver.driver_connection.interrupt)
            event.listen(engine.sync_engine, "before_cursor_execute", lambda *_: started.set())
            await connection.execute(slow)

    with parent():
        task = asyncio.create_task(query())
    await started.wait()
    task.cancel()
    while not task.done():  # an interrupt that comes before the driver's thread has begun is without effect
        with contextlib.suppress(ValueError):  # it is closed by now
            await interrupts[0]()
        await asyncio.sleep(0.01)
    with pytest.raises(asyncio.CancelledError):
        await task
    await engine.dispose()
    (span,) = queries(kit)
    assert plain(span.attributes)["error.type"] == "asyncio.exceptions.CancelledError"


async def test_engines_made_before_and_after_are_observed_until_undo(kit, parent):
    """Engines that exist already are observed too, those with other options once only; after undo none is."""
    early = create_engine("sqlite://")
    undo = integration.install(kit.signals)
    late = create_engine("sqlite://")
    with parent():
        for engine in (early, late, late.execution_options(isolation_level="AUTOCOMMIT")):
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
    assert [span.name for span in queries(kit)] == ["SELECT"] * 3
    undo()
    with parent(), early.connect() as connection:
        connection.execute(text("SELECT 1"))
    assert len(queries(kit)) == 3
    early.dispose()
    late.dispose()


async def test_it_says_what_the_contrib_instrumentor_says(kit, execute, parent, plain, monkeypatch):
    """Where names agree, spans have the values of opentelemetry-instrumentation-sqlalchemy, made side by side."""
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "database")
    monkeypatch.setattr(_OpenTelemetrySemanticConventionStability, "_initialized", False)  # by an earlier test
    monkeypatch.setattr(integration, "_DRIVERS", "none")  # it would be silenced as a driver's is
    exporter = InMemorySpanExporter()
    provider = SdkTracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    contrib = SQLAlchemyInstrumentor()
    contrib.instrument(engine=execute.engine, tracer_provider=provider, skip_dep_check=True)
    try:
        with parent():
            await execute(select(orders.c.id))
            await execute(insert(orders), [{"id": n, "name": "x"} for n in range(3)])
            with pytest.raises(OperationalError):
                await execute(text("DELETE FROM missing"))
    finally:
        contrib.uninstrument()
    theirs = [span for span in exporter.get_finished_spans() if span.name != "connect"]
    ours = queries(kit)
    assert len(ours) == len(theirs) == 3
    for our, their in zip(ours, theirs, strict=True):
        mine = plain(our.attributes)
        agreed = mine.keys() & their.attributes.keys() - {"db.operation.name"}  # theirs holds the database's name too
        assert {"db.query.text", "db.namespace", "db.system.name"} <= agreed
        assert {key: mine[key] for key in agreed} == {key: their.attributes[key] for key in agreed}
        assert (our.status.code, our.kind) == (their.status.status_code.value, their.kind.value + 1)
        operation = mine["db.operation.name"].removeprefix("BATCH ")
        assert their.attributes["db.operation.name"].startswith(operation)


def pool_values(kit, series, name):
    return {attributes.get("db.client.connection.state"): value for attributes, value in series(kit, name)}


async def test_pool_limits_are_those_of_its_kind(kit, installed, series, tmp_path):
    """A queue pool tells size and overflow; a pool that keeps nothing has no most; a static pool has one connection."""
    url = f"sqlite:///{tmp_path}/p.db"
    expected = {
        "q": (create_engine(url, poolclass=QueuePool, pool_size=2, max_overflow=3, pool_logging_name="q"), 5, 2),
        "n": (create_engine(url, poolclass=NullPool, pool_logging_name="n"), None, None),
        "s": (create_engine("sqlite://", poolclass=StaticPool, pool_logging_name="s"), 1, 1),
    }
    for engine, _, _ in expected.values():
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def by_pool(name):
        return {labels["db.client.connection.pool.name"]: value for labels, value in series(kit, name)}

    most, idle_most = by_pool("db.client.connection.max"), by_pool("db.client.connection.idle.max")
    found = {name: (most.get(name), idle_most.get(name)) for name in expected}
    assert found == {name: (top, idle) for name, (_, top, idle) in expected.items()}
    for engine, _, _ in expected.values():
        engine.dispose()


@pytest.mark.parametrize("poolclass", [QueuePool, NullPool, StaticPool])
def test_used_connections_are_counted(kit, installed, series, poolclass, tmp_path):
    """A connection counts as used while it is taken, in each kind of pool, also after `dispose`."""
    engine = create_engine(f"sqlite:///{tmp_path}/u.db", poolclass=poolclass)
    for _ in range(2):
        with engine.connect():
            assert pool_values(kit, series, "db.client.connection.count")["used"] == 1
        assert "used" not in pool_values(kit, series, "db.client.connection.count")
        engine.dispose()
    (uses,) = [count for _, count in series(kit, "db.client.connection.use_time")]
    (creates,) = [count for _, count in series(kit, "db.client.connection.create_time")]
    assert (uses, creates) == (2, 2)


def test_a_shared_connection_counts_once(kit, installed, series):
    """Two that share a static pool's connection use one connection."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.connect():
        with engine.connect():
            assert pool_values(kit, series, "db.client.connection.count") == {"used": 1}
        assert pool_values(kit, series, "db.client.connection.count") == {"idle": 1}
    engine.dispose()


def test_a_detached_connection_is_used_no_longer(kit, installed, series, tmp_path):
    """A connection that is detached from its pool does not count as used."""
    engine = create_engine(f"sqlite:///{tmp_path}/d.db", poolclass=QueuePool)
    with engine.connect() as connection:
        connection.detach()
        assert "used" not in pool_values(kit, series, "db.client.connection.count")
    engine.dispose()


def test_a_password_is_in_no_label(kit, installed):
    """Neither user nor password of the URL is part of what names a database or pool."""
    engine = create_engine("postgresql+asyncpg://me:s3cret@db.internal:6543/shop")
    labels = integration.labels_of(engine)
    assert labels == {
        "db.system.name": "postgresql",
        "db.namespace": "shop",
        "server.address": "db.internal",
        "server.port": 6543,
    }
