"""Runs as files over HTTP: `GET /run/{id}/export`, `POST /runs/import`, and their list."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from functools import partial
from urllib.parse import unquote

from anyio import from_thread
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from clew_console.api.reply import Reply, json_reply
from clew_console.api.run_paths import PREFIX, asked
from clew_console.exchange.export import export_run, file_name
from clew_console.exchange.format import RunFileError
from clew_console.exchange.importing import importing
from clew_console.store.runs import RunError, Runs

MEDIA_TYPE = "application/gzip"
MAX_DISCARD_SECONDS = 5.0
NAME_HEADER = "x-clew-run-name"
"""Of an import: what to call the run instead of its own name, percent-encoded."""


def run_routes(runs: Runs) -> list[Route]:
    """Return the routes."""
    return [
        Route("/export", _export),
        Route("/runs/import", partial(_import, runs, threading.Lock()), methods=["POST"]),
        Route("/api/runs", partial(_list, runs)),
    ]


async def _list(runs: Runs, request: Request) -> Reply:
    del request
    known = await run_in_threadpool(runs.all)
    current = runs.current.id
    return json_reply(
        {
            "runs": [
                {"id": run.id, "name": run.name, "startedUnixNano": str(run.started_ns), "isWritten": run.id == current}
                for run in known
            ]
        }
    )


async def _export(request: Request) -> Reply:
    about = asked(request)
    headers = {"Content-Disposition": f'attachment; filename="{file_name(about.run)}"'}
    pieces = iterate_in_threadpool(export_run(about.run, about.directory))
    return StreamingResponse(pieces, media_type=MEDIA_TYPE, headers=headers)


async def _import(runs: Runs, only_one: threading.Lock, request: Request) -> Reply:
    if request.headers.get("content-type", "").partition(";")[0] != MEDIA_TYPE:
        return json_reply({"error": f"send the file as {MEDIA_TYPE}"}, 415)
    if not only_one.acquire(blocking=False):
        return json_reply({"error": "another file is being imported; try again"}, 503)
    pieces = request.stream()
    try:
        return await run_in_threadpool(_read, runs, unquote(request.headers.get(NAME_HEADER, "")), pieces)
    except (RunFileError, RunError) as error:
        await _discard(pieces)
        code = 400 if isinstance(error, RunFileError) else 409
        return json_reply({"error": f"this file was not imported: {error}"}, code)
    except ClientDisconnect:
        return json_reply({"error": "the file did not come to its end"}, 400)
    finally:
        only_one.release()


def _read(runs: Runs, name: str, pieces: AsyncIterator[bytes]) -> Reply:
    """Read the body in this thread, so that it comes as fast as it is written."""
    with importing(runs, name) as importer:
        while piece := from_thread.run(_next, pieces):
            importer.feed(piece)
    run = importer.run
    assert run is not None  # noqa: S101 - it came without an error
    return json_reply({"id": run.id, "name": run.name, "url": f"{PREFIX}{run.id}/", "records": importer.records})


async def _discard(pieces: AsyncIterator[bytes]) -> None:
    """Read what is left of a refused file, for a sender that still sends may miss the answer; 5 s at most."""
    with contextlib.suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(MAX_DISCARD_SECONDS):
            async for _ in pieces:
                pass


async def _next(pieces: AsyncIterator[bytes]) -> bytes:
    """Return the next piece that is not empty, and nothing at the end."""
    async for piece in pieces:
        if piece:
            return piece
    return b""
