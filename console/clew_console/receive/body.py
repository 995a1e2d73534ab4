"""Read a request body without ever holding more than its limit, inflated or not."""

import zlib
from collections.abc import AsyncIterator

MAX_BODY_BYTES = 16 << 20
MAX_MEMBERS = 64
"""Each copies what is behind it: many empty ones would keep the process busy for hours."""


class BodyTooLargeError(Exception):
    """The body is, or inflates to, more than the limit."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the body is larger than {limit_bytes >> 20} MiB once inflated; send smaller batches")


class BrokenBodyError(Exception):
    """The body is not what its headers say."""


class UnsupportedEncodingError(Exception):
    """The Content-Encoding is none of those supported."""


async def read_body(pieces: AsyncIterator[bytes], encoding: str, limit_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Return the inflated body.

    Raises:
        BodyTooLargeError: as soon as more than `limit_bytes` have come or been inflated.
        BrokenBodyError: the gzip stream is damaged or cut short.
        UnsupportedEncodingError: `encoding` is neither empty, identity nor gzip.
    """
    if encoding not in {"", "identity", "gzip"}:
        raise UnsupportedEncodingError(f"Content-Encoding {encoding!r} is not supported; send gzip or identity")
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) > limit_bytes:
            raise BodyTooLargeError(limit_bytes)
    return inflate(bytes(body), limit_bytes) if encoding == "gzip" else bytes(body)


def inflate(compressed: bytes, limit_bytes: int) -> bytes:
    """Inflate one or more gzip members.

    Raises:
        BodyTooLargeError: after inflating one byte more than the limit.
        BrokenBodyError: the stream is damaged or cut short.
    """
    inflated, rest = bytearray(), compressed
    for _ in range(MAX_MEMBERS + 1):
        if not rest:
            return bytes(inflated)
        member = zlib.decompressobj(wbits=31)
        try:
            inflated += member.decompress(rest, limit_bytes + 1 - len(inflated))
        except zlib.error as error:
            raise BrokenBodyError(f"the body is not valid gzip: {error}") from error
        if len(inflated) > limit_bytes:
            raise BodyTooLargeError(limit_bytes)
        if not member.eof:
            raise BrokenBodyError("the gzip body ends too early")
        rest = member.unused_data
    raise BrokenBodyError(f"the body has more than {MAX_MEMBERS} gzip members")
