"""Ports on the loopback interface: find free ones, and refuse busy ones by name."""

from __future__ import annotations

import socket
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"


class PortBusyError(Exception):
    """A port that was asked for is taken; the message names it and the variable that moves it."""


def free_ports(count: int) -> list[int]:
    """Return different ports that are free now. Held together while picking, so that none comes twice."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]


def require_free(port: int, variable: str, purpose: str) -> None:
    """Raise PortBusyError if something listens on a port; 0 is always free."""
    if port == 0:
        return
    with socket.socket() as probe:
        # As servers do: a connection that lingers from the last run does not make the port busy.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            reason = error.strerror or str(error)
            message = f"port {port} for {purpose} is not free ({reason}); set {variable} to another"
            raise PortBusyError(message) from None


def accepts(port: int) -> bool:
    """Whether something accepts connections on a port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((LOOPBACK, port)) == 0
