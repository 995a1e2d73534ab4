"""SQLAlchemy, sync and async: queries become CLIENT spans and durations, pools become metrics.

By the public events of all engines, those that exist already included. An async engine's events are those of its sync
engine. An error's message is not recorded, since drivers put values into it.
"""

import sys
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry import context as otel_context
from sqlalchemy import event
from sqlalchemy.engine import Connection, Dialect, Engine, ExceptionContext

from instrumentation import semconv
from instrumentation.guard import Guard
from instrumentation.integrations import sqlalchemy_pool
from instrumentation.integrations.boundary import SUPPRESS, Labels
from instrumentation.integrations.database import Call, Database, DatabaseClient
from instrumentation.signals.signals import Signals

SCOPE_NAME = "instrumentation.sqlalchemy"

_SYSTEMS = {"mssql": "microsoft.sql_server", "oracle": "oracle.db", "db2": "ibm.db2", "hana": "sap.hana"}
"""Where the convention's word differs from SQLAlchemy's."""
_DEFAULT_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306, "mssql": 1433, "oracle": 1521}
_DRIVERS = "opentelemetry.instrumentation.instrumentor"
"""Is imported once any instrumentation of OpenTelemetry's is active. A driver's would tell of each statement again."""
_CALL = "instrumentation_call"
"""Attribute of an execution context, which lives as long as one statement does."""
_SILENCE = "instrumentation_silence"
"""Likewise: what ends the silence of the driver's own instrumentation."""
_CODES = ("sqlstate", "pgcode", "sqlite_errorname")
"""Where drivers' exceptions keep the database's own code."""


def install(signals: Signals) -> Callable[[], None]:
    """Observe the queries and pools of all engines; returns what undoes it."""
    queries = _Queries(DatabaseClient(signals, SCOPE_NAME), signals.guard)
    listeners: list[tuple[str, Callable[..., None]]] = [
        ("before_cursor_execute", queries.before),
        ("after_cursor_execute", queries.after),
        ("handle_error", queries.error),
    ]
    for name, listener in listeners:
        event.listen(Engine, name, listener)
    undo_pools = sqlalchemy_pool.install(signals, labels_of)

    def undo() -> None:
        undo_pools()
        for name, listener in listeners:
            event.remove(Engine, name, listener)

    return undo


def labels_of(engine: Engine) -> Labels:
    """Return what names the database of an engine; no user and no password."""
    name, url = engine.dialect.name, engine.url
    labels: Labels = {semconv.DB_SYSTEM_NAME: _SYSTEMS.get(name, name)}
    namespace = url.database or (":memory:" if name == "sqlite" else "")
    if namespace:
        labels[semconv.DB_NAMESPACE] = namespace
    if url.host:
        labels[semconv.SERVER_ADDRESS] = url.host
        if url.port is not None and url.port != _DEFAULT_PORTS.get(name):
            labels[semconv.SERVER_PORT] = url.port
    return labels


class _Queries:
    """Listens to the statements of all engines."""

    __slots__ = ("_client", "_databases", "_guard")

    def __init__(self, client: DatabaseClient, guard: Guard) -> None:
        self._client = client
        self._guard = guard
        # By dialect, since engines with other execution options share it; it lives as long as they do.
        self._databases: WeakKeyDictionary[Dialect, Database] = WeakKeyDictionary()

    def before(
        self, conn: Connection, cursor: object, statement: str, parameters: object, context: Any, executemany: bool
    ) -> None:
        """Start a statement."""
        del conn, cursor, statement, parameters, executemany
        try:
            call = self._client.start()
            if call is not None and context is not None:
                setattr(context, _CALL, call)
                if _DRIVERS in sys.modules:
                    setattr(context, _SILENCE, otel_context.attach(otel_context.set_value(SUPPRESS, True)))
        except Exception as error:
            self._guard.caught("sqlalchemy start", error)

    def after(
        self, conn: Connection, cursor: object, statement: str, parameters: object, context: Any, executemany: bool
    ) -> None:
        """End a statement that went well."""
        del cursor
        try:
            _unsuppress(context)
            call: Call | None = getattr(context, _CALL, None)
            if call is not None:
                delattr(context, _CALL)
                self._client.finish(self._database(conn.engine), call, statement, _batch_size(executemany, parameters))
        except Exception as error:
            self._guard.caught("sqlalchemy finish", error)

    def error(self, context: ExceptionContext) -> None:
        """End a statement that failed, or was cancelled."""
        try:
            execution: Any = context.execution_context
            _unsuppress(execution)
            call: Call | None = getattr(execution, _CALL, None)
            if call is None or context.engine is None:
                return  # no statement failed: a connection could not be made, or rows not be fetched
            delattr(execution, _CALL)
            exception = context.original_exception
            batch_size = _batch_size(execution.executemany, context.parameters)
            database = self._database(context.engine)
            self._client.finish(database, call, context.statement or "", batch_size, exception, _code(exception))
        except Exception as error:
            self._guard.caught("sqlalchemy error", error)

    def _database(self, engine: Engine) -> Database:
        database = self._databases.get(engine.dialect)
        if database is None:
            database = self._client.database(engine.dialect.name, labels_of(engine))
            self._databases[engine.dialect] = database
        return database


def _unsuppress(execution: Any) -> None:
    token = getattr(execution, _SILENCE, None)
    if token is not None:
        delattr(execution, _SILENCE)
        otel_context.detach(token)


def _batch_size(executemany: bool, parameters: Any) -> int:
    return len(parameters) if executemany and hasattr(parameters, "__len__") else 0


def _code(exception: BaseException) -> str:
    for name in _CODES:
        code: object = getattr(exception, name, None)
        if isinstance(code, str):
            return code
    return ""
