"""OTLP/HTTP: protobuf and JSON, answered in kind.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import orjson
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from clew_console.receive.body import (
    MAX_BODY_BYTES,
    BodyTooLargeError,
    BrokenBodyError,
    UnsupportedEncodingError,
    read_body,
)
from clew_console.receive.otlp_json import parse_json
from clew_console.receive.signal import RETRY_AFTER_SECONDS, SIGNALS, Signal
from clew_console.store.writer import Writer

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
MAX_DISCARDED_BYTES = 64 << 20
"""A body up to this size is read to its end before it is refused: a sender that still sends may miss the answer."""
MAX_DISCARD_SECONDS = 2.0


def otlp_app(writer: Writer) -> Starlette:
    """Return the receiver as an ASGI application."""
    return Starlette(routes=[Route(signal.path, _endpoint(signal, writer), methods=["POST"]) for signal in SIGNALS])


def _endpoint(signal: Signal, writer: Writer) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    async def export(request: Request) -> Response:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in {PROTOBUF, JSON}:
            return _failure(415, f"Content-Type {media_type!r} is not supported; send {PROTOBUF} or {JSON}", JSON)
        try:
            message, data = await _message(signal, request, media_type)
        except UnsupportedEncodingError as error:
            return _failure(415, str(error), media_type)
        except BodyTooLargeError as error:
            return _failure(413, str(error), media_type, {"Connection": "close"})
        except BrokenBodyError as error:
            return _failure(400, str(error), media_type)
        except ClientDisconnect:
            return _failure(400, "the body did not come to its end", media_type)
        batch, response = signal.batch(message, data)
        if batch.rows and not writer.submit(batch):
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return _failure(503, "the console's queue is full; nothing of this request was taken", media_type, headers)
        return Response(_encoded(response, media_type), media_type=media_type)

    return export


async def _discard(request: Request) -> None:
    """Read a body without keeping it, for two seconds at most."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(MAX_DISCARD_SECONDS):
            async for _ in request.stream():
                pass


async def _message(signal: Signal, request: Request, media_type: str) -> tuple[Message, bytes | None]:
    declared_bytes = int(request.headers.get("content-length") or 0)
    if declared_bytes > MAX_BODY_BYTES:
        if declared_bytes <= MAX_DISCARDED_BYTES:
            await _discard(request)
        raise BodyTooLargeError(MAX_BODY_BYTES)
    pieces: AsyncIterator[bytes] = request.stream()
    body = await read_body(pieces, request.headers.get("content-encoding", "").strip().lower())
    message = signal.request()
    if media_type == JSON:
        parse_json(body, message)
        return message, None
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise BrokenBodyError(f"the body is not a protobuf {signal.request.DESCRIPTOR.name}: {error}") from error
    return message, body


def _encoded(response: Message, media_type: str) -> bytes:
    if media_type == PROTOBUF:
        return response.SerializeToString()
    return orjson.dumps(json_format.MessageToDict(response))


def _failure(code: int, message: str, media_type: str, headers: dict[str, str] | None = None) -> Response:
    """Answer with a google.rpc.Status, as the specification demands, in the request's own encoding."""
    if media_type == JSON:
        return Response(orjson.dumps({"message": message}), code, headers, JSON)
    return Response(_status(message), code, headers, PROTOBUF)


def _status(message: str) -> bytes:
    """Encode google.rpc.Status with its field 2 alone; the field of the code may be left out over HTTP."""
    text = message.encode()[:16_000]
    length = bytearray()
    size = len(text)
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return b"\x12" + bytes([*length, size]) + text
