"""SQLAlchemy's pools: the nine connection metrics of the convention.

Each connection leaves its pool through `Engine.raw_connection`, also for an async engine: what is inside of it is
pending, and its duration is the wait. What goes back is told by events. The rest is asked of the pool at each snapshot.

| pool | used, idle | max, idle.max |
|---|---|---|
| QueuePool, AsyncAdaptedQueuePool | asked of the pool | size and overflow, size |
| NullPool | counted, 0 | none, 0 |
| StaticPool, AssertionPool | one connection, whoever shares it | 1, 1 |
| SingletonThreadPool | counted, not known | size, size |

Source: https://opentelemetry.io/docs/specs/semconv/db/database-metrics/#connection-pools (development).
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from threading import Lock
from typing import Any, Literal
from weakref import WeakKeyDictionary, ref

from sqlalchemy import event, exc
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.pool import (
    AssertionPool,
    ConnectionPoolEntry,
    NullPool,
    Pool,
    PoolProxiedConnection,
    QueuePool,
    SingletonThreadPool,
    StaticPool,
)

from instrumentation import semconv
from instrumentation.encode.family import Scalar
from instrumentation.guard import Guard
from instrumentation.integrations.boundary import Labels
from instrumentation.signals.metric import MetricStore
from instrumentation.signals.signals import Signals

BOUNDARIES_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
"""As for `db.client.operation.duration`: the convention advises none for pools."""
_CREATED = "instrumentation.created"
_TAKEN = "instrumentation.taken"
"""Keys of a connection's `record_info`: seconds that it took to make; its watch, and since when it is taken."""

Reading = Literal["used", "idle", "max", "idle.max", "idle.min"]


def install(signals: Signals, labels_of: Callable[[Engine], Labels]) -> Callable[[], None]:
    """Observe the pools of all engines; returns what undoes it.

    Args:
        signals: Where the metrics go.
        labels_of: What names the database of an engine.
    """
    pools = _Pools(signals.metrics, signals.guard, labels_of)
    engine_type: Any = Engine
    original = Engine.raw_connection
    engine_type.raw_connection = _wrapped(original, pools)
    listeners: list[tuple[str, Callable[..., None]]] = [
        ("connect", pools.connected),
        ("checkin", pools.given_back),
        ("detach", pools.given_back),
    ]
    for name, listener in listeners:
        event.listen(Engine, name, listener)

    def undo() -> None:
        engine_type.raw_connection = original
        for name, listener in listeners:
            event.remove(Engine, name, listener)
        pools.undo()

    return undo


def _wrapped(
    original: Callable[[Engine], PoolProxiedConnection], pools: "_Pools"
) -> Callable[[Engine], PoolProxiedConnection]:
    @wraps(original)
    def raw_connection(self: Engine) -> PoolProxiedConnection:
        watch = pools.watch(self)
        if watch is None:
            return original(self)
        begin = time.perf_counter()
        watch.pending.add(1)
        try:
            connection = original(self)
        except exc.TimeoutError:
            watch.timeouts.add(1)
            raise
        finally:
            watch.pending.add(-1)
        pools.taken(watch, connection, begin)
        return connection

    return raw_connection


class _Watch:
    """The pool of one engine.

    Attributes:
        labels: Of all its metrics.
        pool: The engine's present one; `dispose` gives it another.
        pending: Callers that wait for a connection.
        timeouts: Callers that waited in vain.
        wait: Duration of the wait, in seconds.
        create: Duration of making a connection, in seconds.
        use: Duration from taking to giving back, in seconds.
    """

    __slots__ = ("_counted", "_lock", "create", "labels", "pending", "pool", "timeouts", "use", "wait")

    def __init__(self, labels: Mapping[str, Scalar], store: MetricStore) -> None:
        self.labels = labels
        self.pool: ref[Pool] | None = None
        self.pending = store.up_down_counter(
            semconv.DB_CLIENT_CONNECTION_PENDING_REQUESTS,
            unit="{request}",
            description="Requests that wait for a connection.",
        ).cell(labels)
        self.timeouts = store.counter(
            semconv.DB_CLIENT_CONNECTION_TIMEOUTS,
            unit="{timeout}",
            description="Requests that waited for a connection in vain.",
        ).cell(labels)
        name, text = semconv.DB_CLIENT_CONNECTION_WAIT_TIME, "Time to get a connection from the pool."
        self.wait = store.histogram(name, unit="s", description=text, boundaries=BOUNDARIES_SECONDS).cell(labels)
        name, text = semconv.DB_CLIENT_CONNECTION_CREATE_TIME, "Time to make a connection."
        self.create = store.histogram(name, unit="s", description=text, boundaries=BOUNDARIES_SECONDS).cell(labels)
        name, text = semconv.DB_CLIENT_CONNECTION_USE_TIME, "Time from taking a connection to giving it back."
        self.use = store.histogram(name, unit="s", description=text, boundaries=BOUNDARIES_SECONDS).cell(labels)
        self._counted = 0
        self.forget_parent()

    def forget_parent(self) -> None:
        """Make a lock of a forked child's own."""
        self._lock = Lock()

    def count(self, change: int) -> None:
        """Count connections in use, for pools that do not."""
        with self._lock:
            self._counted += change

    def read(self, reading: Reading) -> int | None:
        """Return a present value of the pool; None if it has none of this kind."""
        pool = self.pool() if self.pool is not None else None
        if pool is None:
            return None
        if reading == "idle.min":
            return 0  # SQLAlchemy closes no idle connection to reach a number, and opens none
        if isinstance(pool, QueuePool):
            return _read_queue(pool, reading)
        if isinstance(pool, NullPool):
            return {"used": self._counted, "max": None}.get(reading, 0)
        if isinstance(pool, SingletonThreadPool):
            return {"used": self._counted, "idle": None}.get(reading, pool.size)
        if isinstance(pool, StaticPool | AssertionPool):
            used = min(self._counted, 1)
            return {"used": used, "idle": 1 - used}.get(reading, 1)
        return self._counted if reading == "used" else None


def _read_queue(pool: QueuePool, reading: Reading) -> int | None:
    size = pool.size()
    if reading == "used":
        return max(0, pool.checkedout())
    if reading == "idle":
        return pool.checkedin()
    if size == 0:
        return None  # without a bound
    if reading == "idle.max":
        return size
    overflow: int = getattr(pool, "_max_overflow", -1)  # no public method tells it
    return size + overflow if overflow >= 0 else None


class _Pools:
    """All pools that connections have been taken from."""

    def __init__(self, store: MetricStore, guard: Guard, labels_of: Callable[[Engine], Labels]) -> None:
        self._store = store
        self._guard = guard
        self._labels_of = labels_of
        # By dialect, since engines with other execution options share it and the pool.
        self._watches: WeakKeyDictionary[Dialect, _Watch] = WeakKeyDictionary()
        self._undos: list[Callable[[], None]] = []
        os.register_at_fork(after_in_child=self._forget_parent)
        self._observe(semconv.DB_CLIENT_CONNECTION_COUNT, "Connections in the pool, by state.", self._states)
        for name, text, reading in _LIMITS:
            self._observe(name, text, lambda reading=reading: self._values(reading))

    def _forget_parent(self) -> None:
        for watch in list(self._watches.values()):
            watch.forget_parent()

    def watch(self, engine: Engine) -> _Watch | None:
        """Return the watch of an engine's pool; None if none can be made."""
        try:
            found = self._watches.get(engine.dialect)
            if found is None:
                labels = {**self._labels_of(engine), semconv.DB_CLIENT_CONNECTION_POOL_NAME: _pool_name(engine)}
                found = self._watches.setdefault(engine.dialect, _Watch(labels, self._store))
            pool = engine.pool
            if found.pool is None or found.pool() is not pool:
                found.pool = ref(pool)
        except Exception as error:
            self._guard.caught("sqlalchemy pool", error)
            return None
        return found

    def taken(self, watch: _Watch, connection: PoolProxiedConnection, begin: float) -> None:
        """Note that a connection was got for which the wait began at `begin`, by `time.perf_counter`."""
        try:
            now = time.perf_counter()
            watch.wait.observe(now - begin)
            info: dict[Any, Any] | None = connection.record_info
            if info is None:
                return
            created: float | None = info.pop(_CREATED, None)
            if created is not None:
                watch.create.observe(created)
            if _TAKEN not in info:  # a StaticPool gives one connection to several, and tells of the first end only
                info[_TAKEN] = watch, now
                watch.count(1)
        except Exception as error:
            self._guard.caught("sqlalchemy pool", error)

    def connected(self, connection: object, record: ConnectionPoolEntry) -> None:
        """Note how long a new connection took; the pool's record has only the wall clock's start."""
        del connection
        try:
            started: float = getattr(record, "last_connect_time", 0.0)
            if started and record.record_info is not None:
                record.record_info[_CREATED] = max(0.0, time.time() - started)
        except Exception as error:
            self._guard.caught("sqlalchemy pool", error)

    def given_back(self, connection: object, record: ConnectionPoolEntry) -> None:
        """Note that a connection is in use no longer: it is back in its pool, or detached from it."""
        del connection
        try:
            info: dict[Any, Any] = record.record_info or {}
            taken: tuple[_Watch, float] | None = info.pop(_TAKEN, None)
            if taken is not None:
                watch, since = taken
                watch.use.observe(time.perf_counter() - since)
                watch.count(-1)
        except Exception as error:
            self._guard.caught("sqlalchemy pool", error)

    def undo(self) -> None:
        """Take the readings out of the store."""
        while self._undos:
            self._undos.pop()()

    def _observe(self, name: str, text: str, read: Callable[[], Iterable[tuple[float, Mapping[str, Scalar]]]]) -> None:
        instrument = self._store.observable(
            name, kind="up_down_counter", unit="{connection}", description=text, callback=read
        )
        self._undos.append(lambda: instrument.remove(read))

    def _states(self) -> Iterable[tuple[float, Mapping[str, Scalar]]]:
        for state in ("used", "idle"):
            for value, labels in self._values(state):
                yield value, {**labels, semconv.DB_CLIENT_CONNECTION_STATE: state}

    def _values(self, reading: Reading) -> Iterable[tuple[float, Mapping[str, Scalar]]]:
        """Return a reading of all pools; those of engines with equal names count together."""
        sums: dict[tuple[tuple[str, Scalar], ...], float] = {}
        for watch in list(self._watches.values()):
            value = watch.read(reading)
            if value is not None:
                key = tuple(watch.labels.items())
                sums[key] = sums.get(key, 0) + value
        return [(value, dict(key)) for key, value in sums.items()]


_LIMITS: tuple[tuple[str, str, Reading], ...] = (
    (semconv.DB_CLIENT_CONNECTION_MAX, "Most connections that the pool opens.", "max"),
    (semconv.DB_CLIENT_CONNECTION_IDLE_MAX, "Most connections that the pool keeps idle.", "idle.max"),
    (semconv.DB_CLIENT_CONNECTION_IDLE_MIN, "Fewest connections that the pool keeps idle.", "idle.min"),
)


def _pool_name(engine: Engine) -> str:
    """Return the pool's own name, or where it leads: `host:port/database`, as the convention has it."""
    if engine.pool.logging_name:
        return engine.pool.logging_name
    url = engine.url
    host = f"{url.host}:{url.port}" if url.port else url.host or ""
    return f"{host}/{url.database}" if host else url.database or ":memory:"
