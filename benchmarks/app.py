"""The service that is measured: one route with a parameter; `KIT=1` instruments it, `LOG=1` logs in the handler."""

import logging
import os

from fastapi import FastAPI

app = FastAPI()
log = logging.getLogger("shop")
LOGS = os.environ.get("LOG") == "1"


@app.get("/items/{item_id}")
async def read(item_id: int) -> dict[str, int]:
    """Answer with the parameter."""
    if LOGS:
        log.info("item %d read", item_id)
    return {"item_id": item_id}


if os.environ.get("KIT") == "1":
    from instrumentation import instrument

    instrument(app, service_name="bench")
