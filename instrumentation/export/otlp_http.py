"""Send export requests by OTLP/HTTP, protobuf, over one keep-alive connection.

Proxy variables are not read and redirects are not followed, as the endpoint is meant to be the receiver.
"""

import importlib
import os
import time
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from instrumentation.export.deadline_socket import DeadlineSocket, connect, left_seconds
from instrumentation.export.http_exchange import Answer, BadAnswerError, Exchange
from instrumentation.export.retry import judge
from instrumentation.settings import SignalSettings
from instrumentation.signals.delivery import Outcome, Verdict

if TYPE_CHECKING:
    from instrumentation.export.tls import Tls

_GZIP_WINDOW = 31  # zlib's word for gzip's head and tail around its 15 bits
_OWN_HEADERS = frozenset(("content-type", "content-encoding", "content-length", "transfer-encoding"))


class OtlpHttpExporter:
    """Exporter of one signal; see `instrumentation.signals.delivery.Exporter`.

    Args:
        settings: Endpoint, headers, compression and TLS files. Files are read at the first connection.
        version: The kit's own, for the User-Agent.
    """

    def __init__(self, settings: SignalSettings, version: str) -> None:
        url = urlsplit(settings.endpoint)
        self._compresses = settings.compression == "gzip"
        self._host = url.hostname or "localhost"
        self._port = url.port or (443 if url.scheme == "https" else 80)
        self._tls: Tls | None = None
        if url.scheme == "https":
            # Imported now: where the flusher imports, a child forked meanwhile waits for the import for ever.
            self._tls = importlib.import_module("instrumentation.export.tls").Tls(settings, self._host)
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        headers = {
            "Host": url.netloc.rpartition("@")[2],
            "Accept-Encoding": "identity",
            "User-Agent": f"OTel-OTLP-Exporter-Python/{version} clew/{version}",
        }
        self._head = _head(target, headers, settings)
        self._exchange: Exchange | None = None
        self._socket: DeadlineSocket | None = None
        self._pid = os.getpid()
        self._busy = False

    def export(self, body: bytes, deadline: float) -> Outcome:
        """Send one request. Give up at `deadline`, a `time.monotonic()` value that bounds the attempt as a whole."""
        self._forget_parent()
        if self._compresses:
            body = zlib.compress(body, 6, _GZIP_WINDOW)
        started = time.monotonic()
        self._busy = True
        try:
            return self._send(body, deadline)
        except TimeoutError:
            self._disconnect()
            return Outcome(Verdict.RETRYABLE, reason=f"no answer within {time.monotonic() - started:.1f} s{self._at()}")
        except (OSError, BadAnswerError) as error:
            self._disconnect()
            refused = isinstance(error, ConnectionRefusedError)
            return Outcome(Verdict.RETRYABLE, reason=f"{type(error).__name__}: {error}{self._at()}", refused=refused)
        finally:
            self._busy = False

    def close(self) -> None:
        """Let go of the connection; an attempt under way in another thread is broken off and does so itself."""
        self._forget_parent()
        wire = self._socket
        if not self._busy:
            self._disconnect()
        elif wire:
            wire.interrupt()

    def _at(self) -> str:
        return f" ({self._host}:{self._port})"

    def _forget_parent(self) -> None:
        """Drop the copy of a parent's connection without a word on the wire."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._disconnect()

    def _send(self, body: bytes, deadline: float) -> Outcome:
        reused = self._exchange is not None
        try:
            return self._sent(body, deadline)
        except TimeoutError:
            raise
        except (OSError, BadAnswerError):
            # A receiver may close a kept-alive connection at any time: that is no failure of this request.
            if not reused or (self._socket and self._socket.answered):
                raise
            self._disconnect()
            return self._sent(body, deadline)

    def _sent(self, body: bytes, deadline: float) -> Outcome:
        exchange, wire = self._connected(deadline)
        wire.deadline, wire.answered = deadline, False
        answer = exchange.request(self._head, body)
        if not answer.is_whole:
            self._disconnect()
        return judge(answer.status, _readable(answer), answer.headers.get("retry-after"))

    def _connected(self, deadline: float) -> tuple[Exchange, DeadlineSocket]:
        if self._exchange and self._socket:
            return self._exchange, self._socket
        raw = connect(self._host, self._port, deadline)
        if self._tls is not None:
            try:
                raw.settimeout(left_seconds(deadline))
                raw = self._tls.wrap(raw)
            except BaseException:
                raw.close()
                raise
        self._socket = DeadlineSocket(raw, deadline)
        self._exchange = Exchange(self._socket)
        return self._exchange, self._socket

    def _disconnect(self) -> None:
        wire, self._exchange, self._socket = self._socket, None, None
        if wire:
            wire.close()


def _head(target: str, defaults: Mapping[str, str], settings: SignalSettings) -> bytes:
    """Write the request line and header fields; the configured ones go before the defaults, but not before our own."""
    configured = {name.lower(): value for name, value in settings.headers.items()}
    headers = {name: value for name, value in defaults.items() if name.lower() not in configured}
    headers.update((name, value) for name, value in settings.headers.items() if name.lower() not in _OWN_HEADERS)
    headers["Content-Type"] = "application/x-protobuf"
    if settings.compression == "gzip":
        headers["Content-Encoding"] = "gzip"
    lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), ""]
    return "\r\n".join(lines).encode("ascii")


def _readable(answer: Answer) -> bytes:
    """Return the answer's body; nothing if it is compressed, which was not asked for."""
    return b"" if answer.headers.get("content-encoding", "identity") != "identity" else answer.body
