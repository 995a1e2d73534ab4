"""A running console, as the commands for runs ask it."""

import http.client
import json
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

from clew_console.exchange.format import RunFileError
from clew_console.store.runs import Run, RunError

PIECE_BYTES = 256 << 10
TIMEOUT_SECONDS = 120.0
MAX_ANSWER_BYTES = 1 << 20

_NOT_IMPORTED = "this file was not imported: "


class RemoteError(Exception):
    """The console cannot be asked; the message says why."""


class Remote:
    """A console at a URL.

    Raises:
        RemoteError: the URL is none.
    """

    def __init__(self, url: str, token: str = "") -> None:
        self._url = url.rstrip("/")
        parts = urlsplit(self._url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise RemoteError(f"{url!r} is no address of a console, such as http://127.0.0.1:8700")
        self._parts = parts
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._open: list[http.client.HTTPConnection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._open:
            connection.close()

    def runs(self) -> list[Run]:
        """List the runs, the newest first."""
        answer = self._ask("GET", "/api/runs")
        found = json.loads(self._checked(answer))["runs"]
        return [Run(one["id"], one["name"], int(one["startedUnixNano"])) for one in found]

    def export(self, run: Run) -> Iterator[bytes]:
        """Yield a run's file."""
        answer = self._ask("GET", f"/run/{quote(run.id)}/export")
        if answer.status != 200:
            self._checked(answer)
        try:
            while piece := answer.read(PIECE_BYTES):
                yield piece
        except (OSError, http.client.HTTPException) as error:
            raise RemoteError(f"{self._url} stopped in the middle of the file: {error}") from error

    def add(self, pieces: Iterable[bytes], name: str, size_bytes: int) -> str:
        """Send a file; say what it became."""
        headers = {"Content-Type": "application/gzip", "Content-Length": str(size_bytes)}
        headers |= {"X-Clew-Run-Name": quote(name)} if name else {}
        answer = self._ask("POST", "/runs/import", pieces, headers)
        found = json.loads(self._checked(answer))
        return f"run {found['name']!r}, {found['records']} records, {self._url}{found['url']}"

    def _ask(
        self, method: str, path: str, body: Iterable[bytes] | None = None, headers: dict[str, str] | None = None
    ) -> http.client.HTTPResponse:
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=TIMEOUT_SECONDS)
        self._open.append(connection)
        try:
            try:
                connection.request(method, f"{self._parts.path}{path}", body, {**self._headers, **(headers or {})})
            except (BrokenPipeError, ConnectionResetError):
                if connection.sock is None:
                    raise
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise RemoteError(f"cannot ask {self._url}: {error}") from error

    def _checked(self, answer: http.client.HTTPResponse) -> bytes:
        """Return the body, or raise what the console says is wrong."""
        body = answer.read(MAX_ANSWER_BYTES)
        if answer.status == 200:
            return body
        message = _message(body)
        if answer.status in {401, 403}:
            raise RemoteError(f"{self._url} refuses: {message} (--token, or CLEW_CONSOLE_TOKEN)")
        if answer.status == 400:
            raise RunFileError(message.removeprefix(_NOT_IMPORTED))
        if answer.status == 409:
            raise RunError(message.removeprefix(_NOT_IMPORTED))
        raise RemoteError(f"{self._url} answers {answer.status}: {message}")


def _message(body: bytes) -> str:
    try:
        found: Any = json.loads(body)
        return str(found["error"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip()[:300]
