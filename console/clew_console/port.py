"""Take the ports before anything else starts."""

import errno
import socket

from clew_console.options import port_variable


class PortError(Exception):
    """A port cannot be had; the message names it and what moves it."""


def listen(host: str, port: int, option: str) -> socket.socket:
    """Return a listening socket.

    Args:
        host: Address to bind.
        port: 0 picks a free one.
        option: Command line option that moves the port, for the error message.

    Raises:
        PortError: the port is busy, or the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(1024)
    except OSError as error:
        found.close()
        raise PortError(_reason(host, port, option, error)) from error
    found.setblocking(False)
    return found


def reserve(host: str, port: int, option: str) -> int:
    """Return the port after seeing that it is free, picking one for 0; for servers that only take a number.

    Raises:
        PortError: the port is busy, or the address cannot be bound.
    """
    with listen(host, port, option) as found:
        return found.getsockname()[1]


def _reason(host: str, port: int, option: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use; choose another with {option} or {port_variable(option)}"
    see = f"see --host, {option} and {port_variable(option)}"
    return f"cannot listen on {host} port {port} ({error.strerror or error}); {see}"
