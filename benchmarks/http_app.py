"""The service that is measured: one route with a parameter.

`SETUP` names what instruments it in code (`bare level kit fastapi recipe logfire`); `LOG=1` logs in the handler.
"""

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


def _kit() -> None:
    from instrumentation import instrument  # noqa: PLC0415 what is not measured is not imported

    instrument(app, service_name="bench")


def _fastapi() -> None:
    """Let FastAPI's own telemetry (0.142 and later) find the SDK's providers."""
    from benchmarks.sdk_providers import set_up  # noqa: PLC0415

    set_up()


def _recipe() -> None:
    """Wire the SDK by hand, as its documentation does, with contrib's instrumentor for FastAPI."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415

    from benchmarks.sdk_providers import set_up  # noqa: PLC0415

    set_up()
    FastAPIInstrumentor.instrument_app(app)


def _logfire() -> None:
    """Send to an OTLP endpoint of one's own, as Logfire's documentation of alternative backends does."""
    import logfire  # noqa: PLC0415

    logfire.configure(send_to_logfire=False, console=False, service_name="bench")
    logfire.instrument_fastapi(app)
    logging.basicConfig(handlers=[logfire.LogfireLoggingHandler()], level=logging.INFO)


def _level() -> None:
    """Let lines of level info through, for programs that attach a handler and leave the level alone."""
    logging.getLogger().setLevel(logging.INFO)


_SETUPS = {"level": _level, "kit": _kit, "fastapi": _fastapi, "recipe": _recipe, "logfire": _logfire}
if (setup := os.environ.get("SETUP", "bare")) != "bare":
    _SETUPS[setup]()
