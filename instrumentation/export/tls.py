"""TLS of an OTLP/HTTP exporter; imported for an https endpoint alone, as `ssl` is half as slow to import as asyncio."""

import socket
import ssl
from pathlib import Path

from instrumentation.export.deadline_socket import wire_name
from instrumentation.settings import SignalSettings


class Tls:
    """Wraps connections to one receiver.

    Args:
        settings: The files, which are read for the first connection.
        host: Of the receiver, whose certificate is checked for it.
    """

    def __init__(self, settings: SignalSettings, host: str) -> None:
        self._settings = settings
        self._host = host
        self._context: ssl.SSLContext | None = None

    def wrap(self, raw: socket.socket) -> ssl.SSLSocket:
        """Make the handshake on a connected socket, within its timeout.

        Raises:
            OSError: a file cannot be read, or the handshake failed.
        """
        return self._made().wrap_socket(raw, server_hostname=wire_name(self._host))

    def _made(self) -> ssl.SSLContext:
        if self._context is None:
            settings = self._settings
            for path in (settings.certificate, settings.client_certificate, settings.client_key):
                if path:
                    Path(path).open("rb").close()  # ssl does not say which file it cannot read
            context = ssl.create_default_context(cafile=settings.certificate)
            if settings.client_certificate:
                context.load_cert_chain(settings.client_certificate, settings.client_key)
            self._context = context
        return self._context
