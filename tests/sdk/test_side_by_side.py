"""One service wired by the kit and by OpenTelemetry's SDK with its instrumentors: whole records side by side."""

import signal
from fnmatch import fnmatchcase
from pathlib import Path

import httpx
import pytest
import side_by_side

PROGRAM = (Path(__file__).parent / "twin_program.py").read_text()
HEADERS = {
    "traceparent": f"00-0af7651916cd43dd8448eb211c80319c-{side_by_side.CALLER}-01",
    "tracestate": "vendor=1",
    "x-request-id": "r-1",
    "user-agent": "twin/1",
}

TABLE = {
    # Who made it
    "span * · scope name · 'instrumentation.*": "each names its own instrumentation",
    "metric http.* · scope name · 'clew' != *": "the kit's own metrics share one scope",
    "metric http.* · scope version · *": "likewise",
    "span * · scope version · only sdk": "the kit's integrations have its version, which the resource tells",
    "resource · attribute telemetry.sdk.*": "so that a backend can tell the two apart",
    "resource · attribute service.instance.id · *": "drawn at random by both",
    "resource · attribute host.name · only kit": "found without naming a detector",
    "resource · attribute process.* · only kit": "likewise",
    # Any span
    "span * · flags · * != *": "OTLP has the W3C flags in the low byte, which the SDK leaves 0",
    "span INTERNAL pack · link flags · 769 != 768": "likewise",
    # HTTP
    "span INTERNAL * http send* · only sdk": "tells nothing that the SERVER span does not",
    "span SERVER GET /health 200 · only sdk": "probes are in neither traces nor metrics",
    "point http.*http.route=/health* · only sdk": "likewise",
    "span SERVER * · attribute url.query · only sdk": "a query may hold secrets",
    "span CLIENT * · attribute url.full · *?token=s3cret'": "likewise",
    "span SERVER * · attribute client.address · only sdk": "personal data",
    "span SERVER * · attribute client.port · only sdk": "likewise",
    "span SERVER * · attribute request_id · only kit": "one request ID on server spans and logs",
    "span SERVER * · attribute server.address · '127.0.0.1' != '127.0.0.1:<port>'": "a port is no part of an address",
    "span SERVER GET /fails 500 · status · (2, 'RuntimeError: no good') != (2, '')": "the status says what failed",
    "span SERVER GET /fails 500 · event exception exception.escaped · 'True' != 'False'": "it did leave the handler",
    "span * · attribute network.protocol.version · only sdk": "recommended; splits series by what a proxy speaks",
    "point http.* · label network.protocol.version · only sdk": "likewise",
    "span CLIENT GET * · attribute network.peer.* · only sdk": "recommended; seldom tells more than the server's",
    "*http.server.active_requests* · only sdk": "not measured",
    "*http.server.response.body.size* · only sdk": "not measured",
    # Databases
    "span query * · name · '* items' != '* twin.db'": "the convention's summary, not the database",
    "span query * · attribute db.query.summary · only kit": "likewise",
    "span query * · attribute db.operation.name · '*' != '* twin.db'": "the operation alone",
    "span query * · attribute db.collection.name · only kit": "the table",
    "span query INSERT · attribute db.query.text · *?, ?*horn*": "literals are replaced, which may be personal data",
    "span CLIENT connect · only sdk": "measured as db.client.connection.create_time",
    "*db.client.connections.usage* · only sdk": "the old name of db.client.connection.count",
    "*db.client.connection.* · only kit": "the nine pool metrics of the conventions",
    "*db.client.operation.duration* · only kit": "the conventions ask for it",
    # Metrics
    "point * · least and greatest · False != True": "optional in OTLP, and of no use over the life of a process",
    "point load · exemplars · [] *": "an up-down counter or gauge says how things are, not what a request did",
    "point stock · exemplars · [] *": "likewise",
    "*asyncio.* · only kit": "the event loop",
    "*cpython.gc.* · only kit": "the garbage collector",
    "*process.* · only kit": "the process",
    "*thread_pool.queue.length* · only kit": "calls that wait for a thread",
    "*clew.metric.overflowed · only kit": "the SDK adds up beyond its limit in silence",
    "*otel.sdk.* · only kit": "the ledger of what was delivered and lost",
    # Logs
    "log GET * · only kit": "the access line",
    "log HTTP Request: * · only kit": "the kit takes INFO too; no query here either",
    "log *hut*down* · only kit": "the server's own lines come through the same chain",
    "log *tart* · only kit": "likewise",
    "log Uvicorn running on * · only kit": "likewise",
    "log Exception in ASGI application · only kit": "likewise; without it a failure's line is not exported",
    "log Finished server process · only kit": "likewise",
    "log * · attribute code.* · only kit": "where the line was written",
    "log * · attribute request_id · only kit": "the ID alone finds the lines of all services",
}
"""Every difference, as a pattern, and its reason."""


@pytest.fixture
def run_wired(serve_program, fetch, make_otlp_sink):
    """Run the service once; returns its records."""

    def run(wired):
        sink = make_otlp_sink()
        process, url = serve_program(
            PROGRAM,
            WIRED=wired,
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
            OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
            OTEL_SEMCONV_STABILITY_OPT_IN="http,database",
        )
        fetch(f"{url}/health")
        with httpx.Client(base_url=url, headers=HEADERS) as client:
            assert client.get("/orders/7?token=s3cret").status_code == 200
            assert client.get("/fails").status_code == 500
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
        sink.close()
        assert sink.requests, err
        return side_by_side.Run(sink, int(url.rpartition(":")[2])).records()

    return run


@pytest.mark.slow
def test_every_difference_is_known(run_wired):
    """Spans, metrics, logs and resource of both runs differ in what the table says, and in all of that."""
    found = side_by_side.differences(run_wired("kit"), run_wired("sdk"))
    unknown = [each for each in found if not any(fnmatchcase(each, pattern) for pattern in TABLE)]
    assert not unknown, "\n".join(unknown)
    gone = [pattern for pattern in TABLE if not any(fnmatchcase(each, pattern) for each in found)]
    assert not gone, "\n".join(gone)
