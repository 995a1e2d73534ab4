"""A program that sends itself numbers through NATS, some of them poison: with `SETUP=kit` instrumented, else bare."""

import asyncio
import json
import os
import sys
from collections import Counter
from pathlib import Path

from faststream.nats import NatsBroker

PAUSE_SECONDS = 0.005
POISON_EVERY = 10
LARGE_HEADER = "x" * 60_000
"""Close to what a NATS message's headers may be."""


async def main(url):
    """Send until the file `stop` is there; write what became of it to `seen`."""
    broker = NatsBroker(url, reconnect_time_wait=0.1, max_reconnect_attempts=-1)
    subject, handled, outcomes, number = f"numbers.{os.environ['SETUP']}", [], Counter(), 0

    @broker.subscriber(subject)
    async def handle(body: int):
        handled.append(body)
        if body % POISON_EVERY == 0:
            raise ValueError("poison")

    await broker.start()
    stop = Path("stop")
    Path("ready").touch()  # noqa: ASYNC240 before anything is timed
    while not stop.exists():  # noqa: ASYNC240 a stat
        number += 1
        try:
            headers = {"large": LARGE_HEADER} if number % 50 == 0 else None
            await broker.publish(number, subject, headers=headers)
            outcomes["sent"] += 1
        except Exception as error:
            outcomes[type(error).__name__] += 1
        await asyncio.sleep(PAUSE_SECONDS)
    await asyncio.sleep(0.5)
    await broker.stop()
    return {"sent": number, "outcomes": outcomes, "handled": handled}


if __name__ == "__main__":
    telemetry = None
    if os.environ["SETUP"] == "kit":
        from instrumentation import instrument

        telemetry = instrument(service_name="messages")
    seen = asyncio.run(main(sys.argv[1]))
    if telemetry is not None:
        telemetry.shutdown()
        seen["books"] = telemetry.ledger()
    Path("seen").write_text(json.dumps(seen))
