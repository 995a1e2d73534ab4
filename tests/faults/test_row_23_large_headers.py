"""Row 23: headers of a megabyte and thousands of lines cost no time, no memory and no storage."""

import http.client

import psutil
import pytest
from served_program import ServedProgram

pytestmark = pytest.mark.timeout(600)
SERVICE = """
import os
from fastapi import FastAPI
from opentelemetry import baggage

app = FastAPI()
if os.environ.get("INSTRUMENTED"):
    from instrumentation import instrument
    instrument(app, service_name="attacked")

@app.get("/items/{item}")
async def item(item: str):
    return len(baggage.get_all())
"""
MEGABYTE = 1_000_000
STORED_BYTES = 8192
HELD = 40
"""Distinct values of each header; held by a cache, one header would make as many megabytes."""
REPEATED = 5
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = ("traceparent", CALLER)
ATTACKS = {
    "traceparent": [("traceparent", f"{CALLER}-{'x' * MEGABYTE}")],
    "tracestate": [TRACE, ("tracestate", f"a={'x' * MEGABYTE}")],
    "tracestate of many members": [TRACE, ("tracestate", ",".join(f"k{n}=v" for n in range(100_000)))],
    "tracestate in many lines": [TRACE, *[("tracestate", f"k{n}={'x' * 990}") for n in range(1000)]],
    "baggage": [("baggage", f"a={'x' * MEGABYTE}")],
    "baggage of many members": [("baggage", ",".join(f"k{n}=v" for n in range(100_000)))],
    "baggage in many lines": [("baggage", f"k{n}={'%41' * 330}") for n in range(1000)],
    "request id": [("x-request-id", "x" * MEGABYTE)],
    "user agent": [("user-agent", "x" * MEGABYTE)],
    "host": [("host", "x" * MEGABYTE)],
    "a header of no meaning": [("x-none", "x" * MEGABYTE)],
}
WHAT = f"{len(ATTACKS)} kinds of headers of 1 MB, in 1000 lines or of 100,000 members"
SERVERS = {"httptools": ("--http", "httptools"), "h11": ("--http", "h11", "--h11-max-incomplete-event-size", "4000000")}


def send(port, lines, number):
    """Send a request that nobody has sent before."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest("GET", f"/items/{number}", skip_host=any(name == "host" for name, _ in lines))
    for name, value in lines:
        connection.putheader(name, value.replace("xxxx", f"{number:04}", 1))
    connection.endheaders()
    response = connection.getresponse()
    response.read()
    connection.close()
    assert response.status == 200


def cpu_seconds(served):
    """Return how long a service has computed so far; unlike the time on the clock it knows little of its neighbours."""
    times = psutil.Process(served.process.pid).cpu_times()
    return times.user + times.system


def cost(services, lines):
    """Return the CPU milliseconds of a request with these lines to each of the services, asked in turn."""
    before = [cpu_seconds(served) for served in services]
    for number in range(REPEATED):
        for served in services:
            send(served.port, lines, number)
    return [1000 * (cpu_seconds(served) - start) / REPEATED for served, start in zip(services, before, strict=True)]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("quick", "httptools"), id="quick"),
        *[pytest.param(("whole", name), id=f"whole-{name}", marks=pytest.mark.faults) for name in SERVERS],
    ],
)
def services(request, tmp_path_factory, make_otlp_sink):
    """A service with the kit and one without, alike in all else, and what the former sends to."""
    sink = make_otlp_sink()
    server = SERVERS[request.param[1]]
    environment = {"INSTRUMENTED": "1", "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint}
    with (
        ServedProgram(tmp_path_factory.mktemp("with"), SERVICE, *server, **environment) as instrumented,
        ServedProgram(tmp_path_factory.mktemp("without"), SERVICE, *server) as plain,
    ):
        for served in (instrumented, plain):
            send(served.port, [], 0)
        yield instrumented, plain, sink
    sink.close()


@pytest.mark.slow
def test_a_megabyte_costs_no_time(services, tell):
    """A request with such a header costs no more than the same request to a service without the kit."""
    instrumented, plain, _ = services
    costs = {attack: cost((instrumented, plain), lines) for attack, lines in ATTACKS.items()}
    # To copy a megabyte for each line, or to parse it all, takes 100 ms and more; clock ticks are 10 ms.
    wrong = [f"{attack}: {ours:.1f} ms, {bare:.1f} ms" for attack, (ours, bare) in costs.items() if ours > 2 * bare + 5]
    ours, bare = (sum(column) / len(costs) for column in zip(*costs.values(), strict=True))
    tell(WHAT, f"{ours:.1f} ms of CPU a request, {bare:.1f} ms without the kit", wrong)


def test_nothing_large_is_stored_or_held(services, tell):
    """After all of that no record, no line is larger than 8 KiB, and the process has not grown by what it was sent."""
    instrumented, _, sink = services
    process = psutil.Process(instrumented.process.pid)
    before = process.memory_info().rss
    for lines in ATTACKS.values():
        send(instrumented.port, lines, 999)
    for number in range(1000, 1000 + HELD):
        for attack in ("user agent", "host", "request id", "tracestate"):
            send(instrumented.port, ATTACKS[attack], number)
    grown = process.memory_info().rss - before
    connection = http.client.HTTPConnection("127.0.0.1", instrumented.port, timeout=30)
    connection.request("GET", f"/items/{'p' * 60_000}")
    assert connection.getresponse().status == 200
    connection.close()
    printed = instrumented.end()
    records = [*sink.records("traces"), *sink.records("logs")]
    assert len(records) > 8 * HELD
    largest = max(record.ByteSize() for record in records)
    longest = max(map(len, printed.splitlines()))
    figures = f"largest record {largest} bytes, longest line {longest}, {grown / 1024 / 1024:.1f} MiB more"
    wrong = [figures] if max(largest, longest) >= STORED_BYTES or grown >= HELD * MEGABYTE else []
    tell(WHAT, figures, wrong)
