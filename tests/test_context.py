"""Identity and its way between processes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from instrumentation import context
from instrumentation.baggage import with_baggage

TRACE, SPAN = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"


@pytest.mark.parametrize(
    ("header", "valid"),
    [
        (b"00-" + TRACE + b"-" + SPAN + b"-01", True),
        (b"00-" + TRACE + b"-" + SPAN + b"-00", True),
        (b"00-" + TRACE + b"-" + SPAN + b"-ff", True),
        (b"cc-" + TRACE + b"-" + SPAN + b"-01", True),
        (b"cc-" + TRACE + b"-" + SPAN + b"-01-what-the-future-brings", True),
        (b"cc-" + TRACE + b"-" + SPAN + b"-01.what", False),
        (b"00-" + TRACE + b"-" + SPAN + b"-01-more", False),
        (b" \t00-" + TRACE + b"-" + SPAN + b"-01\t ", True),
        (b"ff-" + TRACE + b"-" + SPAN + b"-01", False),
        (b"00-" + TRACE.upper() + b"-" + SPAN + b"-01", False),
        (b"00-" + b"0" * 32 + b"-" + SPAN + b"-01", False),
        (b"00-" + TRACE + b"-" + b"0" * 16 + b"-01", False),
        (b"00-" + TRACE + b"-" + SPAN + b"-0x", False),
        (b"0x-" + TRACE + b"-" + SPAN + b"-01", False),
        (b"00_" + TRACE + b"-" + SPAN + b"-01", False),
        (b"00-." + TRACE[1:] + b"-" + SPAN + b"-01", False),
        (b"00-" + TRACE + b"-" + SPAN, False),
        (b"", False),
        (b"0" * 1_000_000, False),
    ],
)
def test_traceparent_by_the_w3c_rules(header, valid):
    """A traceparent is taken exactly when the W3C recommendation says so."""
    parsed = context.parse_traceparent(header)
    trace_id, span_id = bytes.fromhex(TRACE.decode()), bytes.fromhex(SPAN.decode())
    sampled, is_random = header.strip()[53:55] != b"00", header[53:55] == b"ff"
    assert parsed == (context.Parent(trace_id, span_id, sampled, is_random=is_random) if valid else None)


@given(st.binary(max_size=80))
def test_no_traceparent_raises(header):
    """No header, whatever its bytes, makes the parser raise."""
    context.parse_traceparent(header)
    context.parse_tracestate(header)
    context.sane_request_id(header)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"foo=1,bar=2", "foo=1,bar=2"),
        (b" foo=1 , bar=2", "foo=1,bar=2"),
        (b"foo=1,foo=2", "foo=1"),
        (b"foo@=1,a@b@c=2,0=3", "foo@=1,a@b@c=2,0=3"),
        (b"@foo=1,bar=2", ""),
        (b"foo=,bar=2", ""),
        (b"foo", ""),
        (b",".join(b"k%d=1" % n for n in range(32)), ",".join(f"k{n}=1" for n in range(32))),
        (b",".join(b"k%d=1" % n for n in range(33)), ""),
        (b"a=" + b"x" * 9000, ""),
        (b"", ""),
    ],
)
def test_tracestate_is_kept_or_discarded_whole(header, expected):
    """A tracestate that breaks a rule or a limit is discarded whole, any other goes on as it came."""
    assert context.parse_tracestate(header) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"order-7:a.b/c+d=e@f~g_h", "order-7:a.b/c+d=e@f~g_h"),
        (b"x" * 128, "x" * 128),
        (b"x" * 129, ""),
        (b"a\r\nSet-Cookie: x", ""),
        (b'"', ""),
        (b"a b", ""),
        ("ä".encode(), ""),
        (b"", ""),
    ],
)
def test_a_hostile_request_id_is_refused(value, expected):
    """Only what is safe in a header, a log line and a page is taken as a request ID."""
    assert context.sane_request_id(value) == expected


def test_headers_go_there_and_back():
    """Trace, tracestate, baggage and request ID that one process sends, the other receives."""
    span_context = SpanContext(
        7, 8, is_remote=False, trace_flags=TraceFlags(3), trace_state=trace.TraceState([("k", "v")])
    )
    span = NonRecordingSpan(span_context)
    span.request_id = "r-1"
    headers = context.outgoing_headers(span, with_baggage(context.Context(), {"tenant": "a,b;c"}))
    parent, entries, request_id = context.incoming(headers)
    assert parent == context.Parent((7).to_bytes(16), (8).to_bytes(8), sampled=True, trace_state="k=v", is_random=True)
    assert (entries, request_id) == ({"tenant": "a,b;c"}, "r-1")
    theirs = trace.get_current_span(TraceContextTextMapPropagator().extract(headers, context.Context()))
    assert theirs.get_span_context() == SpanContext(
        7, 8, is_remote=True, trace_flags=TraceFlags(3), trace_state=span_context.trace_state
    )
