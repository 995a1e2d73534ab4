"""One HTTP client for what the commands ask of backends; a failure says who did not answer, and how."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

TIMEOUT_SECONDS = 10.0
MAX_BYTES = 32 << 20
NOT_FOUND = 404


class UnansweredError(Exception):
    """A backend gave no answer that can be used.

    Attributes:
        status: Of the HTTP answer; 0 if there was none.
    """

    def __init__(self, name: str, url: str, why: str, status: int = 0) -> None:
        super().__init__(f"{name} at {url}: {why}")
        self.status = status


class Backend:
    """Reads from one backend.

    Args:
        name: As people call it.
        url: Base URL, without a slash at its end.
        token: Shown with each request as `Authorization: Bearer`, if there is one.
    """

    def __init__(self, name: str, url: str, token: str = "") -> None:
        self.name = name
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.server_unix_seconds: float | None = None

    def text(self, path: str, **parameters: object) -> str:
        """Return the body of a page.

        Raises:
            UnansweredError: No answer, or not 200.
        """
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        return self._answer(urllib.request.Request(f"{self.url}{path}{query}", headers={"Accept": "application/json"}))  # noqa: S310

    def post(self, path: str, body: bytes) -> None:
        """Send an export request of OTLP.

        Raises:
            UnansweredError: No answer, or a refusal; the text says why.
        """
        headers = {"Content-Type": "application/x-protobuf"}
        self._answer(urllib.request.Request(f"{self.url}{path}", body, headers, method="POST"))  # noqa: S310

    def put(self, path: str, body: Mapping[str, object]) -> None:
        """Set something to what a JSON object says.

        Raises:
            UnansweredError: No answer, or a refusal; the text says why.
        """
        headers = {"Content-Type": "application/json"}
        data = json.dumps(body).encode()
        self._answer(urllib.request.Request(f"{self.url}{path}", data, headers, method="PUT"))  # noqa: S310

    def _answer(self, request: urllib.request.Request) -> str:
        for name, value in self._headers.items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - the user named it
                self._note_time(answer.headers.get("Date"))
                return answer.read(MAX_BYTES).decode()
        except urllib.error.HTTPError as error:
            said = error.read(200).decode(errors="replace").strip()
            raise UnansweredError(self.name, self.url, f"{error.code} {said}", error.code) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise UnansweredError(self.name, self.url, str(reason)) from error

    def json(self, path: str, **parameters: object) -> Any:
        """Return the JSON of a page.

        Raises:
            UnansweredError: No answer, not 200, or not JSON.
        """
        body = self.text(path, **parameters)
        try:
            return json.loads(body)
        except ValueError as error:
            raise UnansweredError(self.name, self.url, f"{path} is not JSON: {body[:80]!r}") from error

    def _note_time(self, date: str | None) -> None:
        if date:
            self.server_unix_seconds = parsedate_to_datetime(date).timestamp()
