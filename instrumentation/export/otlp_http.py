"""Send export requests by OTLP/HTTP, protobuf, over one keep-alive connection.

HTTP/1.1 of the standard library: an export costs a third of what it does with requests or urllib3. Proxy variables are
not read and redirects are not followed, as the endpoint is meant to be the receiver.
"""

import gzip
import os
import ssl
import time
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

from instrumentation.export.deadline_socket import DeadlineSocket, connect, left_seconds, wire_name
from instrumentation.export.retry import judge
from instrumentation.settings import SignalSettings
from instrumentation.signals.delivery import Outcome, Verdict

MAX_RESPONSE_BYTES = 64 * 1024
"""Most bytes read of an answer; after a longer one the connection is closed."""


class OtlpHttpExporter:
    """Exporter of one signal; see `instrumentation.signals.delivery.Exporter`.

    Args:
        settings: Endpoint, headers, compression and TLS files. Files are read at the first connection.
        version: The kit's own, for the User-Agent.
    """

    def __init__(self, settings: SignalSettings, version: str) -> None:
        url = urlsplit(settings.endpoint)
        self._settings = settings
        self._secure = url.scheme == "https"
        self._host = url.hostname or "localhost"
        self._port = url.port or (443 if self._secure else 80)
        self._target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        self._headers = {
            "User-Agent": f"OTel-OTLP-Exporter-Python/{version} clew/{version}",
            **settings.headers,
            "Content-Type": "application/x-protobuf",
        }
        if settings.compression == "gzip":
            self._headers["Content-Encoding"] = "gzip"
        self._tls: ssl.SSLContext | None = None
        self._connection: HTTPConnection | None = None
        self._socket: DeadlineSocket | None = None
        self._pid = os.getpid()
        self._busy = False

    def export(self, body: bytes, deadline: float) -> Outcome:
        """Send one request. Give up at `deadline`, a `time.monotonic()` value that bounds the attempt as a whole."""
        self._forget_parent()
        if self._settings.compression == "gzip":
            body = gzip.compress(body, 6)
        started = time.monotonic()
        self._busy = True
        try:
            return self._send(body, deadline)
        except TimeoutError:
            self._disconnect()
            return Outcome(Verdict.RETRYABLE, reason=f"no answer within {time.monotonic() - started:.1f} s{self._at()}")
        except (OSError, HTTPException) as error:
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
        reused = self._connection is not None
        try:
            return self._exchange(body, deadline)
        except TimeoutError:
            raise
        except (OSError, HTTPException):
            # A receiver may close a kept-alive connection at any time: that is no failure of this request.
            if not reused or (self._socket and self._socket.answered):
                raise
            self._disconnect()
            return self._exchange(body, deadline)

    def _exchange(self, body: bytes, deadline: float) -> Outcome:
        connection, wire = self._connected(deadline)
        wire.deadline, wire.answered = deadline, False
        connection.request("POST", self._target, body, self._headers)
        response = connection.getresponse()
        answer = response.read(MAX_RESPONSE_BYTES)
        if response.will_close or not self._exhausted(response):
            self._disconnect()
        return judge(response.status, _inflated(response, answer), response.getheader("Retry-After"))

    def _exhausted(self, response: HTTPResponse) -> bool:
        return response.isclosed() or response.read(1) == b""

    def _connected(self, deadline: float) -> tuple[HTTPConnection, DeadlineSocket]:
        if self._connection and self._socket:
            return self._connection, self._socket
        raw = connect(self._host, self._port, deadline)
        if self._secure:
            try:
                raw.settimeout(left_seconds(deadline))
                raw = self._tls_context().wrap_socket(raw, server_hostname=wire_name(self._host))
            except BaseException:
                raw.close()
                raise
        self._socket = DeadlineSocket(raw, deadline)
        self._connection = HTTPConnection(self._host, self._port)
        self._connection.auto_open = 0
        self._connection.sock = self._socket
        return self._connection, self._socket

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            settings = self._settings
            for path in (settings.certificate, settings.client_certificate, settings.client_key):
                if path:
                    Path(path).open("rb").close()  # ssl does not say which file it cannot read
            context = ssl.create_default_context(cafile=settings.certificate)
            if settings.client_certificate:
                context.load_cert_chain(settings.client_certificate, settings.client_key)
            self._tls = context
        return self._tls

    def _disconnect(self) -> None:
        connection, self._connection, self._socket = self._connection, None, None
        if connection:
            connection.close()


def _inflated(response: HTTPResponse, answer: bytes) -> bytes:
    """Return the answer's body; nothing if it is compressed, which was not asked for."""
    return b"" if response.getheader("Content-Encoding", "identity") != "identity" else answer
