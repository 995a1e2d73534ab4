"""A resolver that has the name `backend.test`; not while the file `slow` exists: then each look-up takes 30 s."""

import socket
import time
from pathlib import Path

LOOK_UP_SECONDS = 30
SLOW = Path("slow")
resolve = socket.getaddrinfo


def slow_getaddrinfo(host, *arguments, **options):
    """Resolve `backend.test`, as slow as the file says; all else as ever."""
    if host != b"backend.test":
        return resolve(host, *arguments, **options)
    end = time.monotonic() + LOOK_UP_SECONDS
    while SLOW.exists():
        if time.monotonic() > end:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        time.sleep(0.02)
    return resolve("127.0.0.1", *arguments, **options)


socket.getaddrinfo = slow_getaddrinfo
