"""Requests and their answers on one kept connection: the part of HTTP/1.1 that a sender to one receiver needs.

Not `http.client`, which brings TLS and a parser of mail: a sixth of what import and set-up of the kit cost. Source:
https://www.rfc-editor.org/rfc/rfc9112
"""

from collections.abc import Mapping
from typing import NamedTuple

from instrumentation.export.deadline_socket import DeadlineSocket

MAX_HEAD_BYTES = 64 * 1024
"""Most bytes of status lines and header fields of one answer."""
MAX_BODY_BYTES = 64 * 1024
"""Most bytes read of an answer's body; after a longer one the connection is not to be used again."""
_READ_BYTES = 16 * 1024
_WITHOUT_BODY = frozenset((204, 304))


class BadAnswerError(Exception):
    """What came is no HTTP."""


class Answer(NamedTuple):
    """An answer.

    Attributes:
        status: Its number.
        headers: By name in lower case; several of one name are joined by a comma.
        body: At most MAX_BODY_BYTES, and what came of it if the receiver hung up.
        is_whole: Whether that was all, and the receiver keeps the connection: it can be used again.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool


class Exchange:
    """A connection.

    Args:
        wire: Connected.
    """

    def __init__(self, wire: DeadlineSocket) -> None:
        self._wire = wire
        self._held = bytearray()
        self._head_left = 0

    def request(self, head: bytes, body: bytes) -> Answer:
        """Send a request and read its answer, by the wire's deadline.

        Args:
            head: The request line and header fields, without Content-Length and the empty line.
            body: Of the request.

        Raises:
            OSError: The connection broke before there was an answer; TimeoutError at the deadline.
            BadAnswerError: What came is no answer.
        """
        self._wire.sendall(b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body))
        self._head_left = MAX_HEAD_BYTES
        version, status = self._status()
        headers = self._headers()
        while 100 <= status < 200:  # says that an answer will come
            version, status = self._status()
            headers = self._headers()
        read, is_whole = self._body(status, headers)
        return Answer(status, headers, read, is_whole and _keeps(version, headers))

    def _status(self) -> tuple[str, int]:
        line = self._line().decode("latin-1")
        version, _, rest = line.partition(" ")
        number = rest.partition(" ")[0]
        if not version.startswith("HTTP/1.") or len(number) != 3 or not (number.isascii() and number.isdecimal()):
            raise BadAnswerError(f"no HTTP: {line[:80]!r}")
        return version, int(number)

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        while line := self._line():
            name, colon, value = line.decode("latin-1").partition(":")
            if colon and not name[:1].isspace():  # neither a broken line nor the rest of the one before
                name, value = name.lower(), value.strip()
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return headers

    def _line(self) -> bytes:
        """Read a line of a head, without its end."""
        while (end := self._held.find(b"\n")) < 0:
            if len(self._held) >= self._head_left:
                raise BadAnswerError("the head of the answer does not end")
            if not self._more():
                raise ConnectionResetError("the receiver hung up before it had answered")
        self._head_left -= end + 1
        return self._taken(end + 1).rstrip(b"\r\n")

    def _body(self, status: int, headers: Mapping[str, str]) -> tuple[bytes, bool]:
        """Read a body. Return it, and whether that was all of one whose end can be told."""
        if status in _WITHOUT_BODY:
            return b"", True
        if "transfer-encoding" in headers:
            return self._chunks() if headers["transfer-encoding"].lower().endswith("chunked") else (self._rest(), False)
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdecimal()):
            return self._rest(), False
        size = int(length[:18])
        data = self._exactly(min(size, MAX_BODY_BYTES))
        return data, len(data) == size

    def _chunks(self) -> tuple[bytes, bool]:
        """Read a body in chunks, and whether it ended as it should; the status counts however it ends."""
        body = bytearray()
        try:
            while size := int(self._line().partition(b";")[0], 16):
                if not 0 < size <= MAX_BODY_BYTES - len(body):
                    return bytes(body), False
                chunk = self._exactly(size)
                body += chunk
                if len(chunk) < size or self._line():
                    return bytes(body), False
            self._headers()
        except (BadAnswerError, ConnectionResetError, ValueError):
            return bytes(body), False
        return bytes(body), True

    def _exactly(self, size: int) -> bytes:
        """Read so many bytes; fewer if the receiver hangs up."""
        while len(self._held) < size and self._more():
            pass
        return self._taken(size)

    def _rest(self) -> bytes:
        return self._exactly(MAX_BODY_BYTES)

    def _more(self) -> bool:
        """Receive; return whether anything came."""
        buffer = bytearray(_READ_BYTES)
        count = self._wire.recv_into(buffer)
        self._held += buffer[:count]
        return count > 0

    def _taken(self, size: int) -> bytes:
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken


def _keeps(version: str, headers: Mapping[str, str]) -> bool:
    """Tell whether the receiver keeps the connection: since HTTP/1.1 it does unless it says otherwise."""
    said = headers.get("connection", "").lower()
    return "keep-alive" in said if version == "HTTP/1.0" else "close" not in said
