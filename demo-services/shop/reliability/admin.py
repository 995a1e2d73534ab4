"""The admin door: what an operator may change while a process runs, over HTTP on loopback and with a token.

Off unless both are set. It has a thread of its own, so that it answers while the event loop is blocked.
"""

from __future__ import annotations

import hmac
import json
import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from instrumentation import get_logger
from shop.reliability.environment import number

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOST = "127.0.0.1"
SHORTEST_TOKEN = 16
MAX_BODY_BYTES = 64 * 1024

log = get_logger(__name__)


class Board(Protocol):
    """Something that can be read and changed by name. Called in the door's threads, several at a time."""

    def read(self) -> object:
        """Return what there is, as JSON can have it."""
        ...

    def put(self, name: str, value: Mapping[str, Any]) -> None:
        """Set one entry.

        Raises:
            KeyError: there can be none of that name.
            ValueError, TypeError: it cannot have that value; the message is shown to the operator.
        """
        ...

    def remove(self, name: str) -> None:
        """Take one entry away; none of that name is as good.

        Raises:
            KeyError: there can be none of that name.
        """
        ...


@dataclass(frozen=True, slots=True)
class Admin:
    """Where the door is.

    Attributes:
        port: ADMIN_PORT on loopback; 0 has no door.
        token: ADMIN_TOKEN, what whoever comes must show as `Authorization: Bearer TOKEN`.
    """

    port: int = 0
    token: str = ""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Admin:
        """Read the settings.

        Raises:
            ValueError: a port without a token, or one that is too short to be none.
        """
        port, token = int(number(environment, "ADMIN_PORT", 0)), environment.get("ADMIN_TOKEN", "")
        if port and len(token) < SHORTEST_TOKEN:
            raise ValueError(f"ADMIN_PORT={port} needs ADMIN_TOKEN, of at least {SHORTEST_TOKEN} characters")
        return cls(port, token)


NO_DOOR = Admin()


@asynccontextmanager
async def door(admin: Admin, boards: Mapping[str, Board]) -> AsyncIterator[None]:
    """Keep the door open as long as the body runs, if there is one.

    `GET /BOARD` reads, `PUT /BOARD/NAME` with a JSON object sets, `DELETE /BOARD/NAME` takes away.

    Raises:
        OSError: the port is taken.
    """
    if not admin.port:
        yield
        return
    server = serve(admin, boards)
    log.info("admin door open", port=admin.port, boards=sorted(boards))
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def serve(admin: Admin, boards: Mapping[str, Board]) -> ThreadingHTTPServer:
    """Open the door in a thread; `shutdown` and `server_close` end it.

    Raises:
        OSError: the port is taken.
    """
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer  # noqa: PLC0415 - 10 ms that few need

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, admin.token, boards)

        def do_PUT(self) -> None:
            _answer(self, admin.token, boards)

        def do_DELETE(self) -> None:
            _answer(self, admin.token, boards)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            log.info("admin", request=format % args)

    server = ThreadingHTTPServer((HOST, admin.port), Handler)
    threading.Thread(target=server.serve_forever, args=(0.1,), name="admin", daemon=True).start()
    return server


def _answer(request: BaseHTTPRequestHandler, token: str, boards: Mapping[str, Board]) -> None:
    status, body = _outcome(request, token, boards)
    data = json.dumps(body).encode()
    request.send_response(status)
    request.send_header("content-type", "application/json")
    request.send_header("content-length", str(len(data)))
    request.end_headers()
    request.wfile.write(data)


def _outcome(request: BaseHTTPRequestHandler, token: str, boards: Mapping[str, Board]) -> tuple[int, object]:
    shown = request.headers.get("authorization", "")
    if not hmac.compare_digest(shown.encode(), f"Bearer {token}".encode()):
        return 401, {"error": "send `Authorization: Bearer` and the value of ADMIN_TOKEN"}
    _, board_name, *names = request.path.split("/")
    board = boards.get(board_name)
    if board is None or len(names) != (request.command != "GET"):
        return 404, {"error": f"known are {', '.join(f'/{name}' for name in sorted(boards))}"}
    try:
        if request.command == "PUT":
            board.put(names[0], _body(request))
        elif request.command == "DELETE":
            board.remove(names[0])
        return 200, board.read()
    except KeyError:
        return 404, {"error": f"/{board_name} has no {names[0]!r}"}
    except (ValueError, TypeError) as error:
        return 422, {"error": str(error)}


def _body(request: BaseHTTPRequestHandler) -> dict[str, Any]:
    size = int(request.headers.get("content-length", 0))
    if size > MAX_BODY_BYTES:
        raise ValueError(f"the body has {size} bytes, more than {MAX_BODY_BYTES}")
    body = json.loads(request.rfile.read(size) or b"{}")
    if not isinstance(body, dict):
        raise TypeError("the body must be a JSON object")
    return body
