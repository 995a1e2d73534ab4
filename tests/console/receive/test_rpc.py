"""OTLP/gRPC."""

import grpc
import pytest

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def test_spans_come_over_grpc(console, grpc_address, make):
    """A span sent by gRPC is found like one sent over HTTP."""
    span = make.span(name="over grpc")
    with grpc.insecure_channel(grpc_address) as channel:
        assert channel.unary_unary(EXPORT)(make.traces(span).SerializeToString(), timeout=5) == b""
    console.wait(f"/api/traces/{span.trace_id.hex()}", lambda answer: answer.status_code == 200)


def test_a_broken_message_is_an_invalid_argument(grpc_address):
    """Bytes that are no request fail for good, so that no sender tries again."""
    with grpc.insecure_channel(grpc_address) as channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary(EXPORT)(b"\xff\xff", timeout=5)
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_bomb_is_refused_before_it_is_inflated(grpc_address):
    """A compressed message that inflates to more than 16 MiB is refused."""
    with grpc.insecure_channel(grpc_address, compression=grpc.Compression.Gzip) as channel:
        with pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary(EXPORT)(bytes(64 << 20), timeout=10)
        assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
