"""The hand-written JSON equals protobuf's own."""

import os

from clew_console.api.trace_json import span_json
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


def _rich_span() -> Span:
    kinds = [
        AnyValue(string_value="ü<"),
        AnyValue(string_value=""),
        AnyValue(int_value=-(1 << 63)),
        AnyValue(int_value=0),
        AnyValue(bool_value=False),
        AnyValue(double_value=0.25),
        AnyValue(double_value=float("inf")),
        AnyValue(double_value=float("nan")),
        AnyValue(bytes_value=b"\x00\xff"),
        AnyValue(),
        AnyValue(array_value={}),
        AnyValue(array_value={"values": [AnyValue(int_value=1), AnyValue(array_value={"values": [AnyValue()]})]}),
        AnyValue(kvlist_value={"values": [KeyValue(key="k", value=AnyValue(bool_value=True))]}),
    ]
    attributes = [KeyValue(key=f"a{number}", value=value) for number, value in enumerate(kinds)]
    return Span(
        trace_id=os.urandom(16),
        span_id=os.urandom(8),
        parent_span_id=os.urandom(8),
        trace_state="a=b",
        flags=257,
        name="n",
        kind=3,
        start_time_unix_nano=1,
        end_time_unix_nano=(1 << 64) - 1,
        attributes=[*attributes, KeyValue(), KeyValue(key="empty")],
        dropped_attributes_count=2,
        events=[
            Span.Event(time_unix_nano=5, name="e", attributes=attributes[:2], dropped_attributes_count=1),
            Span.Event(),
        ],
        links=[
            Span.Link(
                trace_id=os.urandom(16), span_id=os.urandom(8), flags=1, trace_state="x=y", attributes=attributes[:1]
            )
        ],
        dropped_events_count=3,
        dropped_links_count=4,
        status={"code": 2, "message": "bad"},
    )


def test_a_span_of_everything_is_written_as_protobuf_writes_it():
    """Every field and every kind of attribute value has the form of MessageToDict."""
    span = _rich_span()
    assert span_json(span) == MessageToDict(span)


def test_defaults_are_left_out_as_protobuf_leaves_them_out():
    """An empty span is an empty object, an empty status an empty status."""
    for span in (Span(), Span(status={}), Span(kind=77)):
        assert span_json(span) == MessageToDict(span)
