"""The service under test: one route, one log line per request, and a watch on its own event loop.

`GET /healthz` tells the books and the stalls, and is in no telemetry; the last books are written to `books` at SIGTERM.
"""

import asyncio
import itertools
import json
import logging
import os
import signal
import time
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from instrumentation import instrument

TICK_SECONDS = 0.005
STALL_SECONDS = 0.05

numbers = itertools.count()
stalls = []
log = logging.getLogger("probe")


async def watch_loop():
    """Note when, and for how many seconds, the event loop came late."""
    while True:
        due = time.monotonic() + TICK_SECONDS
        await asyncio.sleep(TICK_SECONDS)
        late = time.monotonic() - due
        if late > STALL_SECONDS:
            stalls.append((due, late))


@asynccontextmanager
async def lifespan(_app):
    """Watch for as long as the service runs."""
    watch = asyncio.create_task(watch_loop())
    yield
    watch.cancel()


def write_books(number, _frame):
    """Be what SIGTERM did before the kit chained to it: leave the last books and end."""
    telemetry.shutdown()
    Path("books").write_text(json.dumps(telemetry.ledger()))
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


signal.signal(signal.SIGTERM, write_books)
app = FastAPI(lifespan=lifespan)
telemetry = instrument(app, service_name="probe")


@app.get("/items/{item_id}")
async def read(item_id: int):
    """Answer with the parameter, and log a line that has a number of its own."""
    log.info("item read", extra={"sequence": next(numbers)})
    return {"item_id": item_id}


@app.get("/healthz")
async def health():
    """Tell the books and the stalls so far."""
    return {"books": telemetry.ledger(), "stalls": stalls}
