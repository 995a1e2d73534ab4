"""The kit beside telemetry that it has not set up: other providers, applications that nobody handed to it."""

CALL = """
import asyncio, httpx
async def main():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as client:
        assert (await client.get("/x/1")).status_code == 200
asyncio.run(main())
"""
APP = """
from fastapi import FastAPI
app = FastAPI()

@app.get("/x/{y}")
async def x(y: str): return y
"""
ON = "from instrumentation import instrument\ntelemetry = instrument(service_name='a')\n"


def test_providers_set_before_are_named_and_left(run, otlp_sink):
    """Each foreign provider is named and stays the global one, and the kit adds no server span to its own."""
    code = f"""
from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
theirs = TracerProvider(), MeterProvider(), LoggerProvider()
trace.set_tracer_provider(theirs[0])
metrics.set_meter_provider(theirs[1])
_logs.set_logger_provider(theirs[2])
{APP}
from instrumentation import instrument
instrument(app, service_name="a")
assert (trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider()) == theirs
{CALL}
"""
    status, _, err = run(code)
    assert status == 0, err
    for kind, name in (("tracer", "TracerProvider"), ("meter", "MeterProvider"), ("logger", "LoggerProvider")):
        (line,) = [line for line in err.splitlines() if f"global {kind} provider is" in line]
        assert f".{name} already" in line
    assert [span.name for span in otlp_sink.records("traces") if span.kind == 2] == []


def test_a_fastapi_application_that_nobody_handed_over(run, otlp_sink):
    """Made before or after a bare instrument(), it has the kit's one server span and none of FastAPI's own."""
    for program in (APP + ON + CALL, ON + APP + CALL):
        otlp_sink.requests.clear()
        status, _, err = run(program)
        assert (status, err) == (0, "")
        spans = otlp_sink.resources("traces")
        assert sorted((scope.name, span.name) for _, scope, span in spans if span.kind == 2) == [
            ("instrumentation.asgi", "GET /x/{y}")
        ]
        assert not [scope.name for _, scope, _ in spans if scope.name.startswith("fastapi")]


def test_other_propagators_are_told_of(run, otlp_sink):
    """The global propagator is the one that OTEL_PROPAGATORS names, and the kit says that its own carry W3C's."""
    code = """
    from opentelemetry import baggage, propagate
    from instrumentation import instrument
    instrument(service_name="a")
    assert propagate.get_global_textmap().fields == {"baggage"}
    """
    status, _, err = run(code, OTEL_PROPAGATORS="baggage")
    assert status == 0, err
    assert "OTEL_PROPAGATORS" in err
    assert "tracecontext and baggage" in err
