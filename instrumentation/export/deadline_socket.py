"""Bound a whole exchange on a socket by one deadline.

A socket's own timeout bounds each call alone: a peer that sends a byte a second would hold the caller for ever.
"""

import socket
import time


class DeadlineSocket:
    """The part of a socket that an exchange uses, each call with the time that is left of the deadline.

    Attributes:
        deadline: `time.monotonic()` value; to be set before each exchange.
        answered: Whether any byte has come since it was last set to False.
    """

    def __init__(self, raw: socket.socket, deadline: float) -> None:
        self._raw = raw
        self.deadline = deadline
        self.answered = False

    def sendall(self, data: bytes) -> None:
        """Send all of `data`; TimeoutError at the deadline."""
        view = memoryview(data)
        while view:
            self._raw.settimeout(left_seconds(self.deadline))
            view = view[self._raw.send(view) :]

    def recv_into(self, buffer: bytearray | memoryview) -> int:
        """Receive what there is; TimeoutError at the deadline."""
        self._raw.settimeout(left_seconds(self.deadline))
        count = self._raw.recv_into(buffer)
        self.answered = self.answered or count > 0
        return count

    def interrupt(self) -> None:
        """Make a call under way in another thread return at once."""
        try:
            self._raw.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def close(self) -> None:
        """Close the file descriptor; says nothing to the peer beyond that, which is what a forked child needs."""
        self._raw.close()


def left_seconds(deadline: float) -> float:
    """Return the seconds until `deadline`; TimeoutError if it has come."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("deadline")
    return left


def connect(host: str, port: int, deadline: float) -> socket.socket:
    """Connect by TCP, trying each address of `host`, all of them by `deadline`.

    Raises:
        OSError: No address answered; TimeoutError at the deadline.
    """
    failure: OSError = OSError(f"no address for {host}")
    for family, kind, protocol, _, address in socket.getaddrinfo(wire_name(host), port, type=socket.SOCK_STREAM):
        raw = socket.socket(family, kind, protocol)
        try:
            raw.settimeout(left_seconds(deadline))
            raw.connect(address)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raw.close()
            failure = error
        else:
            return raw
    raise failure


def wire_name(host: str) -> str | bytes:
    """Return a host name as bytes where it can be: of text Python makes bytes by a codec that it first has to import.

    A process that forks while another thread imports leaves its child a module that it waits for, for ever.
    """
    return host.encode() if host.isascii() else host
