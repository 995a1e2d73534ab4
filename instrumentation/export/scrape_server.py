"""A port of its own for `/metrics`."""

import os
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6

from typing_extensions import override

from instrumentation.export.scrape import admits
from instrumentation.signals.metric import Warn, to_stderr

Page = Callable[[str], tuple[bytes, str]]
"""Takes an `Accept` header, returns body and content type."""


class ScrapeServer:
    """A port of its own for `/metrics`, served by daemon threads."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self._pid = os.getpid()
        self.port = int(server.server_address[1])
        self._thread = threading.Thread(target=server.serve_forever, name="clew-scrape", daemon=True)
        self._thread.start()

    def forget_parent(self) -> None:
        """Close a forked child's copy of the port, at which nobody would answer."""
        self._server.socket.close()

    def shutdown(self) -> None:
        """Close the port."""
        if os.getpid() != self._pid:
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve(host: str, port: int, page: Page, warn: Warn = to_stderr, token: str | None = None) -> ScrapeServer | None:
    """Serve the page at `/metrics` of a port to who has the token; if the port cannot be had, say so, return None."""
    server_type = type("_Server", (ThreadingHTTPServer,), {"address_family": AF_INET6 if ":" in host else AF_INET})
    try:
        return ScrapeServer(server_type((host, port), _handler(page, token)))
    except (OSError, OverflowError) as error:
        warn(f"cannot serve /metrics on {host}:{port} ({error}); set OTEL_EXPORTER_PROMETHEUS_PORT to a free one")
        return None


def _handler(page: Page, token: str | None) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # seconds; a scraper that sends nothing must not keep its thread

        def do_GET(self) -> None:
            if self.path.partition("?")[0] not in ("/metrics", "/"):
                self.send_error(404)
                return
            if not admits(token, self.headers.get("Authorization", "")):
                self.send_response(401)
                self.send_header("WWW-Authenticate", "Bearer")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body, content_type = page(self.headers.get("Accept", ""))
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Stay silent: a scrape is no event."""

    return Handler
