"""The service that runs once with the kit and once with OpenTelemetry's SDK; WIRED says with which."""

import logging
import os
from contextlib import asynccontextmanager

import httpx
import sqlalchemy
from fastapi import FastAPI, Request
from opentelemetry import metrics, trace
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

at_the_end = []


@asynccontextmanager
async def lifespan(_app):
    """Flush at the end: on SIGTERM uvicorn leaves the SDK's own exit handler no chance."""
    yield
    for finish in at_the_end:
        finish()


app = FastAPI(lifespan=lifespan)


def with_the_kit():
    """Wire as docs/opentelemetry.md says."""
    from instrumentation import instrument

    instrument(app, service_name="twin")


def with_the_sdk():
    """Wire as OpenTelemetry's own documentation says: providers, batch processors, an instrumentor for each library."""
    from opentelemetry._logs import set_logger_provider
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
    from opentelemetry.instrumentation.logging import LoggingInstrumentor
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": "twin"})
    spans = TracerProvider(resource=resource)
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(spans)
    measured = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], resource=resource)
    metrics.set_meter_provider(measured)
    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    set_logger_provider(logs)
    LoggingInstrumentor().instrument()
    HTTPXClientInstrumentor().instrument()
    SQLAlchemyInstrumentor().instrument(skip_dep_check=True)  # it declares no support of SQLAlchemy 2.1 yet
    FastAPIInstrumentor.instrument_app(app)
    at_the_end.extend(provider.shutdown for provider in (spans, measured, logs))


{"kit": with_the_kit, "sdk": with_the_sdk}[os.environ["WIRED"]]()
engine = sqlalchemy.create_engine("sqlite:///twin.db")
tracer = trace.get_tracer("shop", "1.2", attributes={"team": "sales"})
meter = metrics.get_meter("shop", "1.2")
placed = meter.create_counter("orders.placed", unit="{order}", description="Orders that were placed.")
stock = meter.create_up_down_counter("stock", unit="{piece}")
weight = meter.create_histogram("weight", unit="kg", explicit_bucket_boundaries_advisory=[1, 10])
price = meter.create_histogram("price", unit="EUR")
load = meter.create_gauge("load", unit="1")
meter.create_observable_counter("seen", callbacks=[lambda options: [metrics.Observation(41, {"by": "eye"})]])
meter.create_observable_gauge("heat", unit="Cel", callbacks=[lambda options: [metrics.Observation(36.5)]])
OTHER = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(1))


@app.get("/orders/{number}")
async def order(number: int, request: Request):
    """Do a bit of everything."""
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE IF NOT EXISTS items (id INTEGER, name TEXT)"))
        connection.execute(sqlalchemy.text("INSERT INTO items VALUES (:id, 'horn')"), {"id": number})
        connection.execute(sqlalchemy.text("SELECT name FROM items WHERE id = :id"), {"id": number})
    async with httpx.AsyncClient() as client:
        await client.get(f"{request.base_url}back/{number}?token=s3cret")
        await client.get(f"{request.base_url}missing/{number}")
    logging.getLogger("shop").warning("sold %s", "horn", extra={"sku": "horn", "pieces": 2})
    with tracer.start_as_current_span(
        "pack", attributes={"boxes": 2, "kinds": ["a", "b"]}, links=[Link(OTHER, {"why": "same customer"})]
    ) as span:
        span.add_event("packed", {"weight": 2.5})
        span.set_attribute("fragile", True)
        try:
            int("torn")
        except ValueError as error:
            span.record_exception(error, {"box": 2})
            logging.getLogger("shop").exception("cannot label")
        span.set_status(Status(StatusCode.ERROR, "late"))
    with tracer.start_as_current_span("send", kind=trace.SpanKind.PRODUCER) as span:
        span.set_status(Status(StatusCode.OK))
        span.update_name("send parcel")
    placed.add(1, {"kind": "web"})
    stock.add(-2)
    weight.record(2.5)
    price.record(30)
    load.set(0.5)
    return number


@app.get("/back/{number}")
async def back(number: int):
    """Answer at once."""
    return number


@app.get("/health")
async def health():
    """Answer a probe."""
    return "ok"


@app.get("/fails")
async def fails():
    """Raise."""
    raise RuntimeError("no good")
