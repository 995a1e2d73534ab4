"""Database queries as seen by a client: start and finish, shared by every database skin.

A query is a CLIENT span only below a span that is sampled, so that a loop that polls a table makes no traces of its
own; put the loop's work into a `span(...)` to see its queries. The duration is measured in any case.

Source: https://opentelemetry.io/docs/specs/semconv/db/database-spans/ and database-metrics/.
"""

from functools import lru_cache, partial
from time import perf_counter_ns

from opentelemetry import context as otel_context
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from instrumentation import semconv
from instrumentation.context import parent_of
from instrumentation.encode import span as encode
from instrumentation.integrations import boundary
from instrumentation.integrations.boundary import SUPPRESS, Labels, Repeated
from instrumentation.integrations.sql_statement import MAX_CACHED, Statement, statement
from instrumentation.signals.metric import Histogram
from instrumentation.signals.signals import Signals
from instrumentation.signals.span import Span, exception_name

BOUNDARIES_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
"""Bucket boundaries that the convention advises for `db.client.operation.duration`."""

Call = Span | int
"""A query that is under way: its span, or, without one, when it started by the monotonic clock in nanoseconds."""


class Database:
    """One database: what all its queries have in common, and what repeats for each statement.

    Args:
        dialect: SQLAlchemy's name of the SQL dialect.
        labels: Attributes of all spans and metrics.
        duration: In seconds.
    """

    __slots__ = ("_dialect", "_duration", "entry", "labels")

    def __init__(self, dialect: str, labels: Labels, duration: Histogram) -> None:
        self.labels = labels
        self._dialect = dialect
        self._duration = duration
        self.entry = lru_cache(maxsize=MAX_CACHED)(partial(self._entry))
        """Returns what repeats for a statement's text, whether it is a batch, and the error's type and code."""

    def _entry(self, text: str, batch: bool, error_type: str, error_code: str) -> Repeated:
        said = statement(text, self._dialect)
        prefix = "BATCH " if batch else ""
        labels = {**self.labels, **_said_labels(said, prefix)}
        if error_type:
            labels[semconv.ERROR_TYPE] = error_type
        if error_code:
            labels[semconv.DB_RESPONSE_STATUS_CODE] = error_code
        extra: Labels = {semconv.DB_QUERY_TEXT: said.text} if said.text else {}
        name = f"{prefix}{said.summary}" if said.summary else str(self.labels[semconv.DB_SYSTEM_NAME])
        return boundary.repeated(name, SpanKind.CLIENT, labels, extra, self._duration)


def _said_labels(said: Statement, prefix: str) -> Labels:
    labels: Labels = {}
    if said.operation:
        labels[semconv.DB_OPERATION_NAME] = prefix + said.operation
        labels[semconv.DB_QUERY_SUMMARY] = prefix + said.summary
    if said.collection:
        labels[semconv.DB_COLLECTION_NAME] = said.collection
    return labels


class DatabaseClient:
    """Turns each query into a duration and, below a sampled span, a CLIENT span."""

    __slots__ = ("_duration", "_tracer")

    def __init__(self, signals: Signals, scope_name: str) -> None:
        self._tracer = signals.tracers.get_tracer(scope_name)
        self._duration = signals.metrics.histogram(
            semconv.DB_CLIENT_OPERATION_DURATION,
            unit="s",
            description="Duration of database client operations.",
            boundaries=BOUNDARIES_SECONDS,
        )

    def database(self, dialect: str, labels: Labels) -> Database:
        """Make what the queries of one database share; arguments as of `Database`."""
        return Database(dialect, labels, self._duration)

    def start(self) -> Call | None:
        """Start a query; None while instrumentation is suppressed."""
        context = otel_context.get_current()
        if context.get(SUPPRESS):
            return None
        # Not `is_recording()`: a background task's queries belong to the request, whose span has ended.
        parent = parent_of(get_current_span(context))
        if parent is not None and parent.sampled:
            span = self._tracer.start("", SpanKind.CLIENT, parent)
            if span is not None:
                return span
        return perf_counter_ns()

    def finish(
        self,
        database: Database,
        call: Call,
        text: str,
        batch_size: int = 0,
        exception: BaseException | None = None,
        error_code: str = "",
    ) -> None:
        """End a query.

        Args:
            database: That was asked.
            call: From `start`.
            text: SQL, as the driver got it.
            batch_size: How many sets of parameters a batch has; below 2 it is none.
            exception: Of the driver.
            error_code: The database's own word for it, such as an SQLSTATE.
        """
        error_type = exception_name(exception) if exception is not None else ""
        entry = database.entry(text, batch_size > 1, error_type, error_code)
        if isinstance(call, int):
            entry.cell.observe((perf_counter_ns() - call) / 1e9)
            return
        if exception is not None:
            call.set_status(StatusCode.ERROR, error_type)
        extra = encode.attribute(semconv.DB_OPERATION_BATCH_SIZE, batch_size) if batch_size > 1 else b""
        boundary.finish(call, entry, extra)
