"""What a query span costs: SQLAlchemy on SQLite with nothing, with Clew, and with the contrib instrumentor and SDK.

The three take turns in one process, so that the machine's moods meet all alike; the median of the differences counts.

    python benchmarks/sqlalchemy_query.py
"""

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, use_span
from sqlalchemy import Connection, create_engine, text

from instrumentation.integrations import sqlalchemy as integration
from instrumentation.sampling import sampler
from instrumentation.settings import Settings
from instrumentation.signals.log import LogEmitter
from instrumentation.signals.metric import MetricStore
from instrumentation.signals.signals import Signals
from instrumentation.signals.span import SpanSettings, TracerProvider

ROUNDS = 60
QUERIES = 300
QUERY = text("SELECT name FROM products WHERE id = :id AND stock > 3")


class _Sink(list[bytes]):
    """Keeps a batch of records, then starts anew."""

    def add(self, _scope: bytes, record: bytes) -> None:
        self.append(record)
        if len(self) >= 512:
            self.clear()


class _Encoding(SpanExporter):
    """Does what an OTLP exporter does, up to the wire: as our records are encoded when they get to the sink."""

    def export(self, spans: object) -> SpanExportResult:
        encode_spans(spans).SerializeToString()
        return SpanExportResult.SUCCESS


def _clew() -> tuple[Callable[[], Callable[[], None]], TracerProvider]:
    provider, sink = TracerProvider(), _Sink()
    provider.target = SpanSettings(sink, sampler("parentbased_always_on"))
    signals = Signals(Settings.from_env({}), provider, MetricStore(), LogEmitter("bench", sink, None))
    return lambda: integration.install(signals), provider


def _run(connection: Connection) -> float:
    begin = time.perf_counter()
    for number in range(QUERIES):
        connection.execute(QUERY, {"id": number}).fetchall()
    return (time.perf_counter() - begin) / QUERIES * 1e6


def main() -> None:
    """Measure and print."""
    engine = create_engine("sqlite://")
    contrib_engine = create_engine("sqlite://")
    install, ours = _clew()
    sdk = SdkTracerProvider()
    sdk.add_span_processor(BatchSpanProcessor(_Encoding()))
    SQLAlchemyInstrumentor().instrument(engine=contrib_engine, tracer_provider=sdk, skip_dep_check=True)
    times: dict[str, list[float]] = {"bare": [], "clew": [], "contrib": []}
    with ExitStack() as stack:
        connections = [stack.enter_context(each.connect()) for each in (engine, contrib_engine)]
        for connection in connections:
            connection.execute(text("CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT, stock INTEGER)"))
        our_parent = ours.get_tracer("bench").start("parent", SpanKind.INTERNAL, None)
        their_parent = sdk.get_tracer("bench").start_span("parent")
        assert our_parent is not None
        for _ in range(ROUNDS):
            times["bare"].append(_run(connections[0]))
            undo = install()
            with use_span(our_parent):
                times["clew"].append(_run(connections[0]))
            undo()
            with use_span(their_parent):
                times["contrib"].append(_run(connections[1]))
    for name in ("clew", "contrib"):
        differences = [each - bare for each, bare in zip(times[name], times["bare"], strict=True)]
        print(f"{name:8} {statistics.median(differences):6.1f} us per query span")
    print(f"{'bare':8} {statistics.median(times['bare']):6.1f} us per query")


if __name__ == "__main__":
    main()
