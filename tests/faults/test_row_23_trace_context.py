"""Row 23: W3C trace context over real HTTP, as its recommendation asks, and headers beyond all measure.

Each case sends header lines to a service, which calls another with httpx, and looks at what that was sent. They are
the cases of https://github.com/w3c/trace-context, at its strict level, and of level 2 of the recommendation.
"""

import http.client
import json
from collections import Counter

import pytest
from served_program import ServedProgram

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALLER = ("traceparent", f"00-{TRACE}-{SPAN}-01")
SERVICE = """
import httpx
from fastapi import FastAPI, Request
from instrumentation import instrument

app = FastAPI()
client = httpx.AsyncClient()
instrument(app, service_name="middle")

@app.get("/call/{times}")
async def call(times: int, to: str):
    return [(await client.get(to)).json() for _ in range(times)]

@app.get("/told")
async def told(request: Request):
    return request.headers.items()
"""


@pytest.fixture(scope="module")
def middle(tmp_path_factory, make_otlp_sink):
    """A service that calls itself, and tells what came with the call."""
    sink = make_otlp_sink()
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint}
    with ServedProgram(tmp_path_factory.mktemp("middle"), SERVICE, **endpoint) as served:
        yield served
    sink.close()


@pytest.fixture
def send(middle):
    """Send header lines as they are; return the headers of each call that the service made for it."""

    def send(*lines, times=1):
        connection = http.client.HTTPConnection("127.0.0.1", middle.port, timeout=20)
        connection.putrequest("GET", f"/call/{times}?to=http://127.0.0.1:{middle.port}/told")
        for name, value in lines:
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        calls = [dict(call) for call in json.loads(response.read())]
        connection.close()
        assert response.status == 200
        for call in calls:
            version, trace_id, span_id, flags = call["traceparent"].split("-")
            assert (version, len(trace_id), len(span_id), len(flags)) == ("00", 32, 16, 2)
            assert int(trace_id, 16), int(span_id, 16)
        return calls

    return send


def trace_of(call):
    return call["traceparent"].split("-")[1]


@pytest.mark.parametrize(
    "lines",
    [
        [CALLER],
        [("TraceParent", CALLER[1])],
        [("TRACEPARENT", CALLER[1])],
        [("traceparent", f"cc-{TRACE}-{SPAN}-01")],
        [("traceparent", f"cc-{TRACE}-{SPAN}-01-what-comes-some-day")],
        [("traceparent", f" {CALLER[1]}")],
        [("traceparent", f"\t{CALLER[1]}")],
        [("traceparent", f"{CALLER[1]} ")],
        [("traceparent", f"\t {CALLER[1]} \t")],
        [("traceparent", f"00-{TRACE}-{SPAN}-00")],
    ],
)
def test_a_valid_caller_is_continued(send, lines):
    """Whatever the case of the header's name and the blanks around it, its trace goes on, with another span."""
    (call,) = send(*lines)
    assert trace_of(call) == TRACE
    assert SPAN not in call["traceparent"]
    assert call["traceparent"].endswith(lines[0][1].strip()[53:55])


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [CALLER, ("traceparent", f"00-{TRACE[:-1]}d-{SPAN}-01")],
        [("trace-parent", CALLER[1])],
        [("trace.parent", CALLER[1])],
        *[
            [("traceparent", value)]
            for value in (
                f"{CALLER[1]}.",
                f"{CALLER[1]}-what-comes-some-day",
                f"cc-{TRACE}-{SPAN}-01.what-comes-some-day",
                f"ff-{TRACE}-{SPAN}-01",
                f".0-{TRACE}-{SPAN}-01",
                f"0.-{TRACE}-{SPAN}-01",
                f"000-{TRACE}-{SPAN}-01",
                f"0000-{TRACE}-{SPAN}-01",
                f"0-{TRACE}-{SPAN}-01",
                f"00-{'0' * 32}-{SPAN}-01",
                f"00-.{TRACE[1:]}-{SPAN}-01",
                f"00-{TRACE[1:]}.-{SPAN}-01",
                f"00-{TRACE}1-{SPAN}-01",
                f"00-{TRACE[1:]}-{SPAN}-01",
                f"00-{TRACE}-{'0' * 16}-01",
                f"00-{TRACE}-.{SPAN[1:]}-01",
                f"00-{TRACE}-{SPAN[1:]}.-01",
                f"00-{TRACE}-{SPAN}1-01",
                f"00-{TRACE}-{SPAN[1:]}-01",
                f"00-{TRACE}-{SPAN}-.0",
                f"00-{TRACE}-{SPAN}-0.",
                f"00-{TRACE}-{SPAN}-001",
                f"00-{TRACE}-{SPAN}-1",
                f"00-{TRACE.upper()}-{SPAN}-01",
            )
        ],
        [("tracestate", "foo=1,bar=2")],
    ],
)
def test_an_invalid_caller_is_not_continued(send, lines):
    """Without a valid traceparent a new trace starts, and what there is of a tracestate is dropped."""
    calls = send(*lines, times=2)
    assert not {trace_of(call) for call in calls} & {TRACE, f"{TRACE[:-1]}d", "0" * 32}
    assert {"tracestate" for call in calls if "tracestate" in call} == set()


def test_each_call_is_a_span_of_its_own(send):
    """Three calls of one request are three spans of its trace."""
    calls = send(CALLER, times=3)
    assert Counter(trace_of(call) for call in calls) == {TRACE: 3}
    assert len({call["traceparent"] for call in calls}) == 3


def test_the_random_flag_is_carried_on(send):
    """Who says that its trace id is random is quoted, whether the trace is sampled or not."""
    assert [send(("traceparent", f"00-{TRACE}-{SPAN}-{flags}"))[0]["traceparent"][-2:] for flags in ("02", "03")] == [
        "02",
        "03",
    ]


ALL_OF_A_KEY = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
ALL_OF_A_VALUE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in ",=")
MEMBERS = [f"bar{number:02}={number:02}" for number in range(1, 34)]


@pytest.mark.parametrize(
    ("lines", "carried"),
    [
        (["foo=1,bar=2"], "foo=1,bar=2"),
        ([""], None),
        (["foo=1", ""], "foo=1"),
        (["", "foo=1"], "foo=1"),
        (["foo=1,bar=2", "rojo=1,congo=2", "baz=3"], "foo=1,bar=2,rojo=1,congo=2,baz=3"),
        (["foo=1,foo=1"], "foo=1"),
        (["foo=1", "foo=2"], "foo=1"),
        ([f"{ALL_OF_A_KEY}={ALL_OF_A_VALUE}"], f"{ALL_OF_A_KEY}={ALL_OF_A_VALUE}"),
        ([f"{ALL_OF_A_KEY}@a-z0-9_-*/={ALL_OF_A_VALUE}"], f"{ALL_OF_A_KEY}@a-z0-9_-*/={ALL_OF_A_VALUE}"),
        (["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3"),
        (["\t foo=1 \t"], "foo=1"),
        (["foo =1"], None),
        (["FOO=1"], None),
        (["foo.bar=1"], None),
        (["foo@=1,bar=2"], "foo@=1,bar=2"),
        (["@foo=1,bar=2"], None),
        (["foo@@bar=1,bar=2"], "foo@@bar=1,bar=2"),
        (["foo@bar@baz=1,bar=2"], "foo@bar@baz=1,bar=2"),
        ([",".join(MEMBERS[:20]), ",".join(MEMBERS[20:32])], ",".join(MEMBERS[:32])),
        ([",".join(MEMBERS[:20]), ",".join(MEMBERS[20:])], None),
        (["foo=1", f"{'z' * 256}=1"], f"foo=1,{'z' * 256}=1"),
        (["foo=1", f"{'z' * 257}=1"], None),
        (["foo=1", f"{'t' * 242}@v=1"], f"foo=1,{'t' * 242}@v=1"),
        (["foo=1", f"t@{'v' * 15}=1"], f"foo=1,t@{'v' * 15}=1"),
        (["foo=bar=baz"], None),
        (["foo=,bar=3"], None),
    ],
)
def test_tracestate_goes_on_or_is_dropped_whole(send, lines, carried):
    """A tracestate within the rules goes on in its order, lines joined, one of each key; any other is dropped whole."""
    (call,) = send(CALLER, *[("tracestate", line) for line in lines])
    assert (trace_of(call), call.get("tracestate")) == (TRACE, carried)


@pytest.mark.parametrize("name", ["trace-state", "trace.state"])
def test_other_names_are_other_headers(send, name):
    """What is not named tracestate is none."""
    assert "tracestate" not in send(CALLER, (name, "foo=1"))[0]


LARGE = 48 * 1024


@pytest.mark.parametrize(
    "lines",
    [
        [("traceparent", CALLER[1] + "-" + "x" * LARGE)],
        [CALLER, ("tracestate", "a=" + "x" * LARGE)],
        [CALLER, *[("tracestate", f"k{number}=1") for number in range(99)]],
        [CALLER, ("baggage", "a=" + "x" * LARGE)],
        [CALLER, *[("baggage", f"k{number}={'x' * 400}") for number in range(99)]],
        [CALLER, ("x-request-id", "x" * LARGE)],
        [CALLER, ("user-agent", "x" * LARGE)],
    ],
    ids=["traceparent", "tracestate", "many tracestates", "baggage", "many baggages", "request id", "user agent"],
)
def test_nothing_large_goes_on(send, lines):
    """A header beyond its limit, in one line or many, is not carried on, not even in part."""
    (call,) = send(*lines)
    carried = {name: value for name, value in call.items() if name in ("traceparent", "tracestate", "baggage")}
    assert sum(map(len, carried.values())) < 512
    assert "tracestate" not in carried
