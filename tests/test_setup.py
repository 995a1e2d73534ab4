"""`instrument` as a service calls it: in a process of its own, with a real receiver."""

import json
import signal
import socket
import sys
import time
import urllib.error
import urllib.request

import pytest

SERVICE = """
import logging
from fastapi import FastAPI
from instrumentation import get_logger, instrument, span
app = FastAPI()
telemetry = instrument(app, service_name="greeter")

@app.get("/hello/{name}")
async def hello(name: str):
    get_logger("greeter").info("greeted", name=name)
    logging.getLogger("old").warning("hello %s", name)
    with span("work", size=3):
        return name
"""


def test_one_request_gives_three_signals(serve_program, fetch, otlp_sink, plain):
    """One request yields a trace, log records and a metric that share resource and trace; stdout has each line once."""
    process, url = serve_program(
        SERVICE, OTEL_METRIC_EXPORT_INTERVAL="200", OTEL_RESOURCE_ATTRIBUTES="service.version=1.2.3"
    )
    _, headers = fetch(f"{url}/hello/ann", **{"X-Request-ID": "r-1"})
    trace_id = headers["traceresponse"][3:35]
    page, _ = fetch(f"{url}/metrics", accept="application/openmetrics-text")
    assert f'trace_id="{trace_id}"' in page
    otlp_sink.wait_for(lambda: any("http.server" in metric.name for metric in otlp_sink.records("metrics")))
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)

    spans = otlp_sink.records("traces")
    assert sorted(span.name for span in spans) == ["GET /hello/{name}", "work"]
    (counted,) = [line for line in page.splitlines() if line.startswith("http_server_request_duration_seconds_count")]
    labels = 'http_request_method="GET",http_response_status_code="200",http_route="/hello/{name}",url_scheme="http"'
    assert counted == f"http_server_request_duration_seconds_count{{{labels}}} 1"
    assert {span.trace_id.hex() for span in spans} == {trace_id}
    records = {record.body.string_value: record for record in otlp_sink.records("logs")}
    for event in ("greeted", "hello ann", "GET /hello/{name} 200"):
        assert records[event].trace_id.hex() == trace_id
        assert plain(records[event].attributes)["request_id"] == "r-1"
    resources = [
        plain(resource.attributes)
        for signal_name in ("traces", "logs", "metrics")
        for resource, _, _ in otlp_sink.resources(signal_name)
    ]
    assert len({tuple(sorted(resource.items())) for resource in resources}) == 1
    assert (resources[0]["service.name"], resources[0]["service.version"]) == ("greeter", "1.2.3")

    lines = [json.loads(line) for line in out.splitlines()]
    events = [line["event"] for line in lines if line.get("request_id") == "r-1"]
    assert events == ["greeted", "hello ann", "GET /hello/{name} 200"]
    keys = ["timestamp", "level", "event", "logger", "service.name", "trace_id", "span_id", "request_id"]
    assert [list(line)[:8] for line in lines if line.get("trace_id")] == [keys] * 3
    assert len(lines) == len(records)
    assert "Application startup complete." in {line["event"] for line in lines}
    assert err == ""


def test_sigterm_delivers_everything(serve_program, fetch, otlp_sink):
    """Requests answered just before SIGTERM are delivered before the process ends."""
    process, url = serve_program(SERVICE)
    for number in range(50):
        fetch(f"{url}/hello/{number}")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert sum(span.name == "work" for span in otlp_sink.records("traces")) == 50


@pytest.mark.slow
def test_a_dead_backend_delays_the_end_by_little(serve_program, fetch, otlp_sink):
    """With nobody at the backend's address, requests are answered, and SIGTERM ends the process before its deadline."""
    otlp_sink.server.shutdown()
    otlp_sink.server.server_close()
    process, url = serve_program(SERVICE, CLEW_SHUTDOWN_TIMEOUT="30")
    fetch(f"{url}/hello/ann")
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=40)
    assert time.monotonic() - begin < 15
    assert "not delivered" in err


def test_a_plain_script_delivers_at_its_end(run, otlp_sink):
    """A script needs no flush of its own, and SIGTERM or an exception changes nothing about it."""
    code = """
    import logging, os, signal, sys
    from instrumentation import instrument, span
    instrument(service_name="script")
    with span("work"):
        logging.getLogger("x").info("done")
    if sys.argv[1:] == ["term"]:
        os.kill(os.getpid(), signal.SIGTERM)
    if sys.argv[1:] == ["raise"]:
        raise RuntimeError("no good")
    """
    assert run(code)[0] == 0
    assert run(code, command=[sys.executable, "program.py", "term"])[0] == -signal.SIGTERM
    assert run(code, command=[sys.executable, "program.py", "raise"])[0] == 1
    assert [span.name for span in otlp_sink.records("traces")] == ["work"] * 3
    assert [record.body.string_value for record in otlp_sink.records("logs")] == ["done"] * 3


def test_calling_it_twice_changes_nothing(run, otlp_sink):
    """A second call returns the same set-up, and an application is wrapped once."""
    code = """
    from fastapi import FastAPI
    from instrumentation import instrument
    app = FastAPI()
    first, second = instrument(app), instrument(app, service_name="other")
    assert first is second
    assert len([cls for cls in type(app).__mro__ if cls.__name__ == "FastAPI"]) == 2
    first.uninstrument()
    assert type(app) is FastAPI
    assert instrument() is not first
    """
    code_, _, err = run(code)
    assert (code_, err) == (0, "")


def test_uninstrument_gives_everything_back(run, otlp_sink):
    """After uninstrument nothing is recorded, loggers and libraries are as before, and it can be switched on again."""
    code = """
    import logging, httpx, structlog
    from instrumentation import instrument, span
    before = (logging.getLogger().handlers[:], logging.getLogger().level, httpx.Client.send, structlog.is_configured())
    telemetry = instrument(service_name="a")
    with span("on"): pass
    telemetry.uninstrument()
    with span("off") as current: assert not current.is_recording()
    after = (logging.getLogger().handlers[:], logging.getLogger().level, httpx.Client.send, structlog.is_configured())
    assert before == after, (before, after)
    instrument(service_name="b")
    with span("on again"): pass
    """
    code_, _, err = run(code)
    assert (code_, err) == (0, "")
    assert [span.name for span in otlp_sink.records("traces")] == ["on", "on again"]


@pytest.mark.parametrize("target", ["lambda scope, receive, send: None", "object()", "'main:app'"])
def test_a_wrong_target_is_named(run, target):
    """A target that is no application raises a TypeError that says what to do instead."""
    status, _, err = run(f"from instrumentation import instrument\ninstrument({target})")
    assert status == 1
    assert "TypeError: instrument() takes an application of FastAPI, Starlette, Flask or Django, not " in err
    assert "app = instrument().asgi(app)" in err
    assert "instrument().wsgi(app)" in err


def test_a_plain_asgi_callable_is_wrapped(run, otlp_sink):
    """`Telemetry.asgi` observes an application of no framework."""
    code = """
    import asyncio, httpx
    from instrumentation import instrument
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
    wrapped = instrument(service_name="plain").asgi(app)
    async def main():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(wrapped), base_url="http://a") as client:
            assert (await client.get("/x")).text == "ok"
    asyncio.run(main())
    """
    status, _, err = run(code)
    assert (status, err) == (0, "")
    assert {(span.name, span.kind) for span in otlp_sink.records("traces")} == {("GET", 2), ("GET", 3)}


def test_wrong_environment_values_are_named(run):
    """A wrong value is named with its variable and what is used instead, and the program runs."""
    status, _, err = run(
        "from instrumentation import instrument; instrument()",
        OTEL_METRIC_EXPORT_INTERVAL="soon",
        OTEL_TRACES_SAMPLER="sometimes",
        CLEW_TRUST="maybe",
    )
    assert status == 0
    lines = err.splitlines()
    for variable, value, fallback in (
        ("OTEL_METRIC_EXPORT_INTERVAL", "soon", "60.0"),
        ("OTEL_TRACES_SAMPLER", "sometimes", "parentbased_always_on"),
        ("CLEW_TRUST", "maybe", "continue"),
    ):
        assert [line for line in lines if variable in line and value in line and fallback in line], err


def test_disabled_emits_nothing(run, otlp_sink):
    """OTEL_SDK_DISABLED=true switches everything off, and the program runs unchanged."""
    code = """
    from fastapi import FastAPI
    from instrumentation import instrument, span, get_logger
    app = FastAPI()
    telemetry = instrument(app)
    with span("work"): get_logger().info("hello")
    assert telemetry.flush() and telemetry.ledger() == {}
    """
    status, _, err = run(code, OTEL_SDK_DISABLED="true")
    assert (status, err, otlp_sink.requests) == (0, "", [])


def test_the_ledger_balances(run, otlp_sink):
    """accepted = delivered + queued + dropped, for every signal, with the backend up."""
    code = """
    import json, logging
    from instrumentation import instrument, span
    telemetry = instrument(service_name="a")
    for number in range(1000):
        with span("work"): logging.getLogger("x").info("n %d", number)
    telemetry.flush()
    print("LEDGER", json.dumps(telemetry.ledger()))
    """
    status, out, err = run(code)
    assert (status, err) == (0, "")
    ledger = json.loads(next(line for line in out.splitlines() if line.startswith("LEDGER"))[7:])
    for books in ledger.values():
        assert books["accepted"] == books["delivered"] + books["queued"] + sum(books["dropped"].values())
    assert (ledger["traces"]["delivered"], ledger["logs"]["delivered"]) == (1000, 1000)
    assert len(otlp_sink.records("traces")) == len(otlp_sink.records("logs")) == 1000


def test_metrics_on_a_port_of_their_own(run, free_port):
    """With the prometheus exporter /metrics has a port of its own; a busy one is named and the program goes on."""
    port = free_port()
    code = """
    import urllib.request, os
    from instrumentation import instrument
    from opentelemetry import metrics
    instrument(service_name="a")
    metrics.get_meter("m").create_counter("orders").add(2, {"kind": "x"})
    print(urllib.request.urlopen(f"http://127.0.0.1:{os.environ['OTEL_EXPORTER_PROMETHEUS_PORT']}/metrics").read().decode())
    """
    environment = {"OTEL_METRICS_EXPORTER": "otlp,prometheus", "OTEL_EXPORTER_PROMETHEUS_PORT": str(port)}
    status, out, err = run(code, **environment)
    assert (status, err) == (0, "")
    assert 'orders_total{kind="x"} 2' in out
    with socket.socket() as busy:
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        busy.bind(("127.0.0.1", port))
        busy.listen()
        status, _, err = run("from instrumentation import instrument; instrument()", **environment)
    assert status == 0
    assert str(port) in err


def test_metrics_behind_a_token(serve_program, fetch, free_port):
    """With a token /metrics, of the application and of the port of its own, is shown to nobody without it."""
    code = """
    from fastapi import FastAPI
    from instrumentation import instrument
    app = FastAPI()
    print(instrument(app, service_name="a").settings)
    """
    port = free_port()
    environment = {"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_PROMETHEUS_PORT": str(port)}
    process, url = serve_program(code, CLEW_METRICS_TOKEN="open-sesame", **environment)
    fetch(f"{url}/docs")
    for page in (f"{url}/metrics", f"http://127.0.0.1:{port}/metrics"):
        assert "process_memory_usage" in fetch(page, Authorization="Bearer open-sesame")[0]
        for wrong in ({}, {"Authorization": "Bearer open-sesam"}, {"Authorization": "Basic open-sesame"}):
            with pytest.raises(urllib.error.HTTPError, match="401") as refused:
                urllib.request.urlopen(urllib.request.Request(page, headers=wrong), timeout=10)
            assert refused.value.headers["WWW-Authenticate"] == "Bearer"
            refused.value.close()
    process.terminate()
    assert "open-sesame" not in "".join(process.communicate(timeout=20))


def test_metrics_off_the_application(serve_program, fetch):
    """An application that is told so does not have /metrics."""
    code = "from fastapi import FastAPI; from instrumentation import instrument; app = FastAPI(); instrument(app)"
    _, url = serve_program(code, CLEW_METRICS_ON_APP="false")
    fetch(f"{url}/docs")
    with pytest.raises(urllib.error.HTTPError, match="404") as absent:
        urllib.request.urlopen(f"{url}/metrics", timeout=10)
    absent.value.close()


def test_zero_code(run, free_port, fetch, otlp_sink):
    """`clew run` instruments a program that does not know of the kit, its FastAPI application included."""
    code = """
    import logging
    import uvicorn
    from fastapi import FastAPI
    app = FastAPI()

    @app.get("/a/{b}")
    def read(b: str):
        logging.getLogger("app").info("read")
        return b

    if __name__ == "__main__":
        import os
        uvicorn.run(app, port=int(os.environ["APP_PORT"]))
    """
    port = free_port()
    command = [sys.executable, "-m", "instrumentation.cli", "run", "--service-name", "untouched", "--"]
    process = run(code, wait=False, command=[*command, sys.executable, "program.py"], APP_PORT=str(port))
    fetch(f"http://127.0.0.1:{port}/a/1")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    ((resource, _, span),) = otlp_sink.resources("traces")
    assert span.name == "GET /a/{b}"
    assert "untouched" in str(resource)
    (record,) = [record for record in otlp_sink.records("logs") if record.body.string_value == "read"]
    assert record.trace_id == span.trace_id


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--help"], 0, "usage: clew COMMAND"),
        (["frobnicate"], 2, "unknown command 'frobnicate'; known are run, console, doctor, canary, demo"),
        (["run"], 2, "no command; name one after --"),
        (["run", "--", "no-such-program"], 127, "command not found: no-such-program"),
    ],
)
def test_the_command_line_says_what_is_wrong(run, arguments, status, said):
    """A wrong call of `clew` says cause and fix."""
    code, out, err = run("", command=[sys.executable, "-m", "instrumentation.cli", *arguments])
    assert code == status
    assert said in out + err
