"""Attribute values, scopes and requests, held against the official protobufs and the SDK's own encoder."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common._internal import _encode_value
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from instrumentation.encode import otlp

INT64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
SCALARS = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=50) | st.booleans() | INT64 | st.floats(allow_nan=False)
)
VALUES = st.recursive(
    SCALARS | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_any_value_equals_the_sdk_encoder(value):
    """A value of any shape decodes to what the SDK's encoder makes of it."""
    assert AnyValue.FromString(otlp.any_value(value)) == _encode_value(value)


def test_a_nan_stays_a_nan():
    """NaN is a double like any other."""
    assert math.isnan(AnyValue.FromString(otlp.any_value(math.nan)).double_value)


class Raises:
    """Has no text."""

    def __str__(self):
        raise RuntimeError

    __repr__ = __str__


def cyclic():
    value = {}
    value["self"] = [value]
    return value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("a\ud800b", "a\ufffdb", id="lone surrogate"),
        pytest.param(2**64, str(2**64), id="beyond 64 bits"),
        pytest.param(10**5000, hex(10**5000)[:4096], id="beyond str digits"),
        pytest.param(Raises(), "<Raises without text>", id="raising __str__"),
        pytest.param("x" * 10_000, "x" * 4096, id="long"),
        pytest.param("\0\r\n\x1b\u2028", "\0\r\n\x1b\u2028", id="control characters"),
    ],
)
def test_hostile_text_never_raises(value, expected):
    """A value that UTF-8, 64 bits or `str` cannot hold becomes text that protobuf accepts."""
    assert AnyValue.FromString(otlp.any_value(value)).string_value == expected


def test_a_cyclic_value_ends():
    """A value that holds itself is cut at the depth limit."""
    assert AnyValue.FromString(otlp.any_value(cyclic())).kvlist_value.values[0].key == "self"


@given(st.text(), st.text() | st.integers() | st.floats() | st.none() | st.binary())
def test_any_key_value_decodes(key, value):
    """Any key with any value, lone surrogates and huge integers included, is one valid KeyValue."""
    assert KeyValue.FromString(otlp.key_value(key, value)).key == key.encode("utf-16", "surrogatepass").decode(
        "utf-16", "replace"
    )


def test_a_request_holds_resource_scopes_and_records():
    """Resource, scopes and records arrive where the protocol has them."""
    resource = otlp.resource({"service.name": "gateway", "process.pid": 7})
    first, second = otlp.scope("a", "1.0", {"k": True}), otlp.scope("b")
    body = otlp.export_request(resource, {first: [b"\x2a\x01x", b"\x2a\x01y"], second: [b"\x2a\x01z"]})
    (group,) = ExportTraceServiceRequest.FromString(body).resource_spans
    assert group.resource == Resource.FromString(resource)
    assert [(spans.scope, [span.name for span in spans.spans]) for spans in group.scope_spans] == [
        (InstrumentationScope.FromString(first), ["x", "y"]),
        (InstrumentationScope(name="b"), ["z"]),
    ]
