"""Whether something serves: `python -m shop.probe http://127.0.0.1:8000/health/ready` or `tcp://127.0.0.1:50051`.

For health checks of containers, which have no other client. Exit code 0 if it does, 1 if not.
"""

from __future__ import annotations

import socket
import sys
import urllib.request
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 2.0


def probe(url: str) -> None:
    """Raise OSError unless a URL answers with 200, or a `tcp://` address accepts a connection.

    Raises:
        ValueError: it is neither http nor tcp.
    """
    parts = urlsplit(url)
    if parts.scheme == "tcp":
        socket.create_connection((parts.hostname, parts.port or 0), TIMEOUT_SECONDS).close()
    elif parts.scheme == "http":
        urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS).close()  # noqa: S310 - http, as checked
    else:
        raise ValueError(f"{url}: neither http nor tcp")


def main() -> int:
    """Probe the URL of the command line and return the exit code."""
    try:
        probe(sys.argv[1])
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
