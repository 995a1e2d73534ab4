"""Each run's pages and read API are under `/run/ID`; those of the run being written are at the top as well."""

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from clew_console.store.directory import Directory
from clew_console.store.runs import Run, Runs
from clew_console.store.segment import SegmentError

PREFIX = "/run/"
_KEY = "clew.run"


@dataclass(frozen=True, slots=True)
class Asked:
    """The run a request is about.

    Attributes:
        base: What its addresses begin with: "" for the run being written, as it is asked for at the top.
    """

    run: Run
    directory: Directory
    base: str


def asked(request: Request) -> Asked:
    """Return the run of a request."""
    return request.scope[_KEY]


class RunPaths:
    """Find the run by the path, and pass the request on with the rest of the path."""

    def __init__(self, app: ASGIApp, runs: Runs) -> None:
        self._app = app
        self._runs = runs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or say that there is no such run."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not scope["path"].startswith(PREFIX):
            found = Asked(self._runs.current, self._runs.directory, "")
            await self._app({**scope, _KEY: found}, receive, send)
            return
        run_id, _, rest = scope["path"].removeprefix(PREFIX).partition("/")
        try:
            found = await run_in_threadpool(self._find, run_id)
        except SegmentError as error:
            await PlainTextResponse(f"{error}\n", 409)(scope, receive, send)
            return
        if found is None:
            await PlainTextResponse("there is no such run here; /runs lists them\n", 404)(scope, receive, send)
            return
        path = f"/{rest}"
        await self._app({**scope, _KEY: found, "path": path, "raw_path": path.encode()}, receive, send)

    def _find(self, run_id: str) -> Asked | None:
        run = self._runs.find_id(run_id)
        return Asked(run, self._runs.directory_of(run), f"{PREFIX}{run.id}") if run else None
