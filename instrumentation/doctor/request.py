"""One marked request through the real kit: a span, a latency with its exemplar, and a log line, sent by OTLP.

It is served in a process of its own, which reads the environment as every service does, and writes its lines where they
disturb nobody.
"""

import asyncio
import json
import logging
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from instrumentation import instrument
from instrumentation._setup import Telemetry

SERVICE = "clew-doctor"
METHOD = "GET"
STATUS = 200
SIGNALS = ("traces", "logs", "metrics")
INSTANCE = "service.instance.id"
SEND_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Marked:
    """What was sent.

    Attributes:
        trace_id: Of the request, hexadecimal.
        instance: `service.instance.id` of this process.
        sampled: Whether the span was recorded.
        sent_unix_seconds: When.
        books: The kit's ledger after the flush, by signal.
    """

    trace_id: str
    instance: str
    sampled: bool
    sent_unix_seconds: float
    books: Mapping[str, Any]

    def undelivered(self) -> list[str]:
        """Return the signals of which not all was delivered, or nothing was sent."""
        return [name for name in SIGNALS if name not in self.books or not _is_delivered(self.books[name])]


def _is_delivered(books: Mapping[str, Any]) -> bool:
    return books["delivered"] > 0 and not books["queued"] and not any(books["dropped"].values())


def environment(environ: Mapping[str, str], otlp_url: str | None) -> dict[str, str]:
    """Return what the process of the request gets: name and instance are the doctor's, all else is the caller's."""
    changed = dict(environ)
    if otlp_url:
        for signal in SIGNALS:
            changed.pop(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", None)
        changed["OTEL_EXPORTER_OTLP_ENDPOINT"] = otlp_url
    attributes = [*filter(None, [changed.get("OTEL_RESOURCE_ATTRIBUTES")]), f"{INSTANCE}={uuid.uuid4()}"]
    return {**changed, "OTEL_SERVICE_NAME": SERVICE, "OTEL_RESOURCE_ATTRIBUTES": ",".join(attributes)}


def send(environ: Mapping[str, str]) -> Marked:
    """Serve one request under the kit and wait until its signals are delivered, or for some seconds.

    Raises:
        RuntimeError: The process ended by itself.
    """
    command = [sys.executable, "-m", "instrumentation.doctor.request"]
    done = subprocess.run(command, env=dict(environ), stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 our own
    if done.returncode:
        raise RuntimeError(f"the process of the request ended with status {done.returncode}")
    return Marked(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Serve the request and print what was sent as the last line."""
    telemetry = instrument()
    answer = asyncio.run(_serve(telemetry))
    _, trace_id, _, flags = answer.split("-")
    telemetry.flush(SEND_SECONDS)
    instance = telemetry.settings.resource_attributes[INSTANCE]
    marked = Marked(trace_id, instance, flags == "01", time.time(), telemetry.ledger())
    telemetry.uninstrument()
    sys.stdout.write(f"{json.dumps(asdict(marked))}\n")


async def _serve(telemetry: Telemetry) -> str:
    """Return the `traceresponse` of a request to an application of one answer."""
    started: list[Mapping[str, Any]] = []

    async def app(_scope: object, _receive: object, send: Any) -> None:
        logging.getLogger(SERVICE).warning("one request of clew doctor")
        await send({"type": "http.response.start", "status": STATUS, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def keep(message: Mapping[str, Any]) -> None:
        started.append(message)

    scope = {"type": "http", "method": METHOD, "path": "/", "raw_path": b"/", "query_string": b"", "scheme": "http"}
    scope |= {"http_version": "1.1", "headers": [], "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1)}
    await telemetry.asgi(app)(scope, receive, keep)  # pyright: ignore[reportArgumentType]
    return dict(started[0]["headers"])[b"traceresponse"].decode()


if __name__ == "__main__":
    main()
