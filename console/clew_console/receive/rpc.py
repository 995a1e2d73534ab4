"""OTLP/gRPC, when grpcio is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from google.protobuf.any_pb2 import Any as Any_
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError

from clew_console.receive.body import MAX_BODY_BYTES
from clew_console.receive.signal import RETRY_AFTER_SECONDS, SIGNALS, Signal
from clew_console.store.wire import prefixed

if TYPE_CHECKING:
    import grpc.aio

    from clew_console.store.writer import Writer


def is_grpc_installed() -> bool:
    """Tell whether the receiver can run here."""
    return importlib.util.find_spec("grpc") is not None


_FULL = "the console's queue is full; nothing of this request was taken"
_UNAVAILABLE = 14

Allow = Callable[[Iterable[tuple[str, str | bytes]]], bool]
"""Tells by its metadata whether a call may be made."""


async def start_grpc(writer: Writer, host: str, port: int, is_allowed: Allow) -> tuple[grpc.aio.Server, int]:
    """Start the receiver; return it with its port. Port 0 picks a free one.

    Raises:
        RuntimeError: the port is busy.
    """
    import grpc.aio  # noqa: PLC0415 - half a second and 20 MiB that a console without gRPC does not pay

    server = grpc.aio.server(
        options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MAX_BODY_BYTES)],
    )
    server.add_generic_rpc_handlers((_handlers(writer, is_allowed),))
    bound = server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    await server.start()
    return server, bound


def _retry_details() -> bytes:
    """Encode google.rpc.Status with a RetryInfo, by which OTLP says that and when to try again.

    Source: https://opentelemetry.io/docs/specs/otlp/#failures
    """
    delay = Duration(seconds=RETRY_AFTER_SECONDS).SerializeToString()
    retry_info = Any_(type_url="type.googleapis.com/google.rpc.RetryInfo", value=prefixed(b"\x0a", delay))
    return (
        b"\x08%c" % _UNAVAILABLE + prefixed(b"\x12", _FULL.encode()) + prefixed(b"\x1a", retry_info.SerializeToString())
    )


def _handlers(writer: Writer, is_allowed: Allow) -> grpc.GenericRpcHandler:
    import grpc  # noqa: PLC0415 - see start_grpc

    methods = {
        signal.grpc_method: grpc.unary_unary_rpc_method_handler(
            _export(signal, writer, is_allowed), response_serializer=lambda response: response.SerializeToString()
        )
        for signal in SIGNALS
    }

    class Otlp(grpc.GenericRpcHandler):
        """Find the handler by the full method name."""

        def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
            return methods.get(handler_call_details.method)

    return Otlp()


def _export(signal: Signal, writer: Writer, is_allowed: Allow) -> Any:
    import grpc  # noqa: PLC0415 - see start_grpc

    async def export(body: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        if not is_allowed(context.invocation_metadata() or ()):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "this console asks for its token: authorization")
        message = signal.request()
        try:
            message.ParseFromString(body)
        except DecodeError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"not a {signal.request.DESCRIPTOR.name}: {error}")
        batch, response = signal.batch(message, body)
        if batch.rows and not writer.submit(batch):
            await context.abort(grpc.StatusCode.UNAVAILABLE, _FULL, (("grpc-status-details-bin", _retry_details()),))
        return response

    return export
